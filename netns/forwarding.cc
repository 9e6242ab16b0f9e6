#include "netns/forwarding.h"

#include <algorithm>
#include <sstream>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "netns/sysctl.h"

namespace pcompose::netns {
namespace {

std::string setting(Family family) {
  return family == Family::v4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
}

std::string file_of(const Roots& roots, Family family) {
  return roots.run + (family == Family::v4 ? "/forwarding-was-off" : "/forwarding6-was-off");
}

std::string advertisements_file(const Roots& roots) { return roots.run + "/accept-ra-was-1"; }

bool exists(const std::string& file) { return ::access(file.c_str(), F_OK) == 0; }

std::vector<std::string> read_links(const std::string& file) {
  std::istringstream lines(read_file(file));
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

void write_links(const std::string& file, const std::vector<std::string>& links) {
  std::string text;
  for (const std::string& link : links) text += link + "\n";
  replace_file(file, text, 0600);
}

// Our own host ends may still be there: their namespaces are taken down by and by.
bool has_our_prefix(const std::string& link) {
  return link.starts_with("pc-") || link.starts_with("pcv-");
}

std::vector<std::string> links_without_loopback(Kernel& kernel) {
  std::vector<std::string> out;
  for (const auto& [name, index] : kernel.links()) {
    if (name != "lo") out.push_back(name);
  }
  return out;
}

std::string accept_ra(const std::string& link) { return "net/ipv6/conf/" + link + "/accept_ra"; }

void keep_advertisements(const Roots& roots, Kernel& kernel) {
  std::vector<std::string> changed;
  for (const std::string& link : links_without_loopback(kernel)) {
    // A name may hold a slash's stand-in, or the link may be gone by now: then it has no setting.
    if (!exists("/proc/sys/" + accept_ra(link)) || read_sysctl(accept_ra(link)) != "1") continue;
    changed.push_back(link);
  }
  if (changed.empty()) return;
  write_links(advertisements_file(roots), changed);
  for (const std::string& link : changed) write_sysctl_if_there(accept_ra(link), "2");
}

void release_advertisements(const Roots& roots) {
  std::string file = advertisements_file(roots);
  if (!exists(file)) return;
  for (const std::string& link : read_links(file)) write_sysctl_if_there(accept_ra(link), "1");
  ::unlink(file.c_str());
}

bool is_our_link(const std::string& link, const std::vector<std::string>& ours) {
  return has_our_prefix(link) || std::ranges::find(ours, link) != ours.end();
}

void release(const Roots& roots, Kernel& kernel, Family family,
             const std::vector<std::string>& ours) {
  std::string file = file_of(roots, family);
  if (!exists(file)) return;
  auto before = read_links(file);
  bool newcomer = std::ranges::any_of(links_without_loopback(kernel), [&](const std::string& link) {
    return !is_our_link(link, ours) && std::ranges::find(before, link) == before.end();
  });
  if (!newcomer) write_sysctl_if_there(setting(family), "0");
  if (family == Family::v6 && !newcomer) release_advertisements(roots);
  ::unlink(file.c_str());
}

}  // namespace

std::vector<std::string> foreign_links(const Roots& roots, Kernel& kernel, Family family) {
  std::string file = file_of(roots, family);
  if (exists(file)) return read_links(file);
  if (read_sysctl(setting(family)) == "1") return {};
  auto links = links_without_loopback(kernel);
  // Of networks with the other family only.
  std::erase_if(links, has_our_prefix);
  write_links(file, links);
  return links;
}

std::vector<std::string> recorded_links(const Roots& roots, Family family) {
  std::string file = file_of(roots, family);
  return exists(file) ? read_links(file) : std::vector<std::string>();
}

void enable_forwarding(const Roots& roots, Kernel& kernel, Family family) {
  if (read_sysctl(setting(family)) == "1") return;
  if (family == Family::v6) keep_advertisements(roots, kernel);
  write_sysctl(setting(family), "1");
}

void release_forwarding(const Roots& roots, Kernel& kernel, const std::vector<std::string>& ours) {
  release(roots, kernel, Family::v4, ours);
  release(roots, kernel, Family::v6, ours);
}

}  // namespace pcompose::netns
