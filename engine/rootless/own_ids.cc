#include "engine/rootless/own_ids.h"

#include <algorithm>
#include <cstdlib>
#include <pwd.h>
#include <sstream>
#include <unistd.h>

#include "base/fd.h"
#include "engine/rootless/egress.h"

namespace pcompose::engine::rootless {
namespace {

struct Range {
  uint32_t first = 0, outside = 0, count = 0;
};

std::vector<Range> ranges_of(const char* path) {
  std::istringstream text(read_file(path));
  std::vector<Range> out;
  for (Range r; text >> r.first >> r.outside >> r.count;) out.push_back(r);
  return out;
}

const std::vector<Range>& users() {
  static const auto kRanges = ranges_of("/proc/self/uid_map");
  return kRanges;
}

const std::vector<Range>& groups() {
  static const auto kRanges = ranges_of("/proc/self/gid_map");
  return kRanges;
}

bool contains(const std::vector<Range>& ranges, uint32_t id) {
  for (const Range& r : ranges) {
    if (id >= r.first && id - r.first < r.count) return true;
  }
  return false;
}

// systemd ends what is left of a user with the last session, loginctl(1) says: except where there
// is this file. "" where all is well.
std::string user_without_lingering() {
  const char* id = std::getenv("PCOMPOSE_ROOTLESS");
  if (id == nullptr || ::access("/run/systemd/system", F_OK) != 0) return "";
  passwd* user = ::getpwuid(static_cast<uid_t>(std::strtoul(id, nullptr, 10)));
  if (user == nullptr) return "";
  std::string file = std::string("/var/lib/systemd/linger/") + user->pw_name;
  return ::access(file.c_str(), F_OK) == 0 ? "" : user->pw_name;
}

}  // namespace

bool in_user_namespace() {
  // "0 0 4294967295": every id is itself.
  bool all = users().size() == 1 && users()[0].outside == 0 && users()[0].count == UINT32_MAX;
  return !all;
}

bool user_exists(uint32_t id) { return contains(users(), id); }
bool group_exists(uint32_t id) { return contains(groups(), id); }
uint32_t user_outside() { return users().empty() ? 0 : users().front().outside; }
uint32_t group_outside() { return groups().empty() ? 0 : groups().front().outside; }

uint32_t id_count() {
  auto count = [](const std::vector<Range>& ranges) {
    uint32_t next = 0;
    for (const Range& r : ranges) {
      if (r.first == next) next += r.count;
    }
    return next;
  };
  return std::min(count(users()), count(groups()));
}

bool has_single_id() { return !user_exists(1); }

std::vector<std::string> shortcomings() {
  std::vector<std::string> out;
  if (has_single_id()) {
    out.emplace_back(
        "this user has no ranges in /etc/subuid and /etc/subgid, or newuidmap is missing: every "
        "file and process of a container is yours, and users other than root do not exist "
        "(usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER; apt install "
        "uidmap)");
  }
  if (!has_egress()) {
    out.emplace_back(
        "neither pasta nor slirp4netns is installed: containers reach each other, and nothing "
        "outside (apt install passt)");
  }
  if (std::string user = user_without_lingering(); !user.empty()) {
    out.emplace_back("containers end when " + user +
                     " has logged out everywhere: loginctl enable-linger " + user);
  }
  return out;
}

}  // namespace pcompose::engine::rootless
