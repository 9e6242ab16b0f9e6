#include "netns/forwarding.h"

#include <algorithm>
#include <sstream>
#include <unistd.h>

#include "base/error.h"
#include "netns/sysctl.h"

namespace pcompose::netns {
namespace {

constexpr const char* kForward = "net/ipv4/ip_forward";

std::string file_of(const Roots& roots) { return roots.run + "/forwarding-was-off"; }

bool recorded(const Roots& roots) { return ::access(file_of(roots).c_str(), F_OK) == 0; }

std::vector<std::string> read_links(const Roots& roots) {
  std::istringstream lines(read_file(file_of(roots)));
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

std::vector<std::string> links_without_loopback(Kernel& kernel) {
  std::vector<std::string> out;
  for (const auto& [name, index] : kernel.links()) {
    if (name != "lo") out.push_back(name);
  }
  return out;
}

}  // namespace

std::vector<std::string> foreign_links(const Roots& roots, Kernel& kernel) {
  if (recorded(roots)) return read_links(roots);
  if (read_sysctl(kForward) == "1") return {};
  std::string text;
  auto links = links_without_loopback(kernel);
  for (const std::string& link : links) text += link + "\n";
  replace_file(file_of(roots), text, 0600);
  return links;
}

void release_forwarding(const Roots& roots, Kernel& kernel) {
  if (!recorded(roots)) return;
  auto before = read_links(roots);
  // Our own host ends may still be there: their namespaces are taken down by and by.
  bool newcomer = std::ranges::any_of(links_without_loopback(kernel), [&](const std::string& link) {
    return !link.starts_with("pc-") && !link.starts_with("pcv-") &&
           std::ranges::find(before, link) == before.end();
  });
  if (!newcomer) write_sysctl(kForward, "0");
  ::unlink(file_of(roots).c_str());
}

}  // namespace pcompose::netns
