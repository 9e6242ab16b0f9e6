#include "engine/namespaces.h"

#include <charconv>
#include <filesystem>
#include <sched.h>
#include <string>
#include <utility>

namespace pcompose::engine {

namespace fs = std::filesystem;

std::vector<pid_t> processes_in_namespace_of(pid_t init) {
  std::vector<pid_t> out;
  std::error_code gone;
  fs::path wanted = fs::read_symlink("/proc/" + std::to_string(init) + "/ns/pid", gone);
  if (gone) return out;
  for (auto it = fs::directory_iterator("/proc", gone); !gone && it != fs::directory_iterator();
       it.increment(gone)) {
    std::string name = it->path().filename().string();
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || *end != '\0') continue;
    std::error_code unreadable;
    if (fs::read_symlink(it->path() / "ns/pid", unreadable) == wanted) out.push_back(pid);
  }
  return out;
}

uint64_t namespaces_apart_from_ours(pid_t pid) {
  uint64_t out = 0;
  for (auto [flag, name] : {std::pair{CLONE_NEWNS, "mnt"},
                            {CLONE_NEWPID, "pid"},
                            {CLONE_NEWNET, "net"},
                            {CLONE_NEWIPC, "ipc"},
                            {CLONE_NEWUTS, "uts"},
                            {CLONE_NEWCGROUP, "cgroup"},
                            {CLONE_NEWUSER, "user"}}) {
    std::error_code gone;
    std::string file = std::string("/ns/") + name;
    auto theirs = fs::read_symlink("/proc/" + std::to_string(pid) + file, gone);
    if (gone || theirs != fs::read_symlink("/proc/self" + file, gone))
      out |= static_cast<uint64_t>(flag);
  }
  return out;
}

}  // namespace pcompose::engine
