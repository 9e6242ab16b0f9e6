#include "engine/rootless/id_maps.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"

namespace pcompose::engine::rootless {
namespace {

constexpr const char *kNewUidMap = "/usr/bin/newuidmap", *kNewGidMap = "/usr/bin/newgidmap";

void write_proc(pid_t pid, const char* file, const std::string& text) {
  std::string path = fmt::format("/proc/{}/{}", pid, file);
  Fd fd = open_file(path, O_WRONLY);
  if (::write(fd.get(), text.data(), text.size()) < 0)
    throw Error::from_errno(fmt::format("write \"{}\" to {}", text, path));
}

bool maps_self(const std::vector<IdMapping>& mappings, uint32_t own) {
  return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == own;
}

// The programs of uidmap(1), which may give what /etc/subuid grants.
void run_map_program(const char* program, pid_t pid, const std::vector<IdMapping>& mappings) {
  SpawnOptions options;
  options.argv = {program, fmt::format("{}", pid)};
  for (const IdMapping& m : mappings) {
    for (uint32_t n : {m.container_id, m.host_id, m.size})
      options.argv.push_back(fmt::format("{}", n));
  }
  options.environment = current_environment();
  options.fds = {{2, 2}};
  ExitStatus status = spawn(options).wait();
  if (status.code() != 0)
    throw Error(fmt::format("{} ended with {}", program, status.code()))
        .hint("the user needs ranges in /etc/subuid and /etc/subgid");
}

}  // namespace

std::string map_text(const std::vector<IdMapping>& mappings) {
  std::string out;
  for (const IdMapping& m : mappings)
    out += fmt::format("{} {} {}\n", m.container_id, m.host_id, m.size);
  return out;
}

void write_id_maps(pid_t pid, const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids) {
  if (::geteuid() == 0) {
    write_proc(pid, "uid_map", map_text(uids));
    write_proc(pid, "gid_map", map_text(gids));
    return;
  }
  if (maps_self(uids, ::geteuid())) {
    write_proc(pid, "uid_map", map_text(uids));
  } else {
    run_map_program(kNewUidMap, pid, uids);
  }
  if (maps_self(gids, ::getegid())) {
    write_proc(pid, "setgroups", "deny");  // or a group that takes rights away could be dropped
    write_proc(pid, "gid_map", map_text(gids));
  } else {
    run_map_program(kNewGidMap, pid, gids);
  }
}

bool can_map_ranges() { return ::access(kNewUidMap, X_OK) == 0 && ::access(kNewGidMap, X_OK) == 0; }

}  // namespace pcompose::engine::rootless
