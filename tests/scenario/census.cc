#include "tests/scenario/census.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

std::string sorted_lines(std::set<std::string> lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

// The paths below `root` that `wanted` takes.
template <class F>
std::string paths(const fs::path& root, F wanted) {
  std::set<std::string> out;
  std::error_code gone;
  for (auto it = fs::recursive_directory_iterator(
           root, fs::directory_options::skip_permission_denied, gone);
       !gone && it != fs::recursive_directory_iterator(); it.increment(gone)) {
    if (wanted(it->path())) out.insert(it->path().string());
  }
  return sorted_lines(out);
}

std::string mounts() {
  std::ifstream in("/proc/self/mountinfo");
  std::set<std::string> out;
  for (std::string line; std::getline(in, line);) out.insert(line);
  return sorted_lines(out);
}

std::string links() {
  std::ifstream in("/proc/self/net/dev");
  std::set<std::string> out;
  for (std::string line; std::getline(in, line);) {
    if (auto colon = line.find(':'); colon != std::string::npos) out.insert(line.substr(0, colon));
  }
  return sorted_lines(out);
}

std::string ruleset() {
  nft_ctx* nft = nft_ctx_new(NFT_CTX_DEFAULT);
  nft_ctx_buffer_output(nft);
  nft_run_cmd_from_buffer(nft, "list ruleset");
  std::string out = nft_ctx_get_output_buffer(nft);
  nft_ctx_free(nft);
  return out;
}

// Of a process that may end meanwhile: then there is nothing to read any more.
bool holds(const fs::path& file, const std::string& text) {
  try {
    return read_file(file).find(text) != std::string::npos;
  } catch (const Error&) {
    return false;
  }
}

// Of this root: other roots of the machine have a life of their own.
std::string processes_and_namespaces(const std::string& root, const std::string& tag,
                                     std::string& namespaces) {
  std::set<std::string> names, spaces;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    std::string pid = entry.path().filename().string();
    if (!std::all_of(pid.begin(), pid.end(), ::isdigit)) continue;
    std::error_code ended;
    auto program = fs::read_symlink(entry.path() / "exe", ended);  // a zombie has none
    if (ended) continue;
    bool daemon = program.filename().string().starts_with("pcompose-") &&
                  holds(entry.path() / "environ", "PCOMPOSE_ROOT=" + root);
    // It has no environment of ours.
    daemon = daemon || (program.filename() == "fuse-overlayfs" &&
                        holds(entry.path() / "cmdline", root + "/containers"));
    if (daemon) names.insert(pid + " " + program.filename().string());
    if (!daemon && !holds(entry.path() / "cgroup", tag)) continue;
    for (const char* kind : {"net", "mnt", "pid", "ipc", "uts", "cgroup"}) {
      auto space = fs::read_symlink(entry.path() / "ns" / kind, ended);
      if (!ended) spaces.insert(space.string());
    }
  }
  namespaces = sorted_lines(spaces);
  return sorted_lines(names);
}

}  // namespace

Census take_census(const std::string& root) {
  Census c;
  std::string tag = Roots::from_environment().tag;
  c["mounts"] = mounts();
  c["links"] = links();
  c["nftables"] = ruleset();
  c["processes"] = processes_and_namespaces(root, tag, c["namespaces"]);
  auto all = [](const fs::path&) { return true; };
  c["cgroups"] = paths("/sys/fs/cgroup", [&](const fs::path& p) {
    return p.string().find(tag) != std::string::npos && fs::is_directory(p);
  });
  c["run"] = paths("/run", [](const fs::path& p) {
    return !fs::is_directory(p) && p.filename() != "networks.lock";
  });
  for (const char* part : {"containers", "volumes"}) c[part] = paths(root + "/" + part, all);
  return c;
}

std::string difference_from(const Census& before, const std::string& root) {
  std::string difference;
  // The kernel takes namespaces down one after another, in its own time.
  for (int i = 0; i < 1200; ++i) {
    difference.clear();
    Census after = take_census(root);
    for (const auto& [kind, text] : before) {
      if (after[kind] != text)
        difference += kind + "\n  before:\n" + text + "  after:\n" + after[kind];
    }
    if (difference.empty()) return "";
    ::usleep(50000);
  }
  return difference;
}

}  // namespace pcompose::test
