#include "engine/rootless/own_ids.h"

#include <sstream>

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

}  // namespace

bool in_user_namespace() {
  // "0 0 4294967295": every id is itself.
  bool all = users().size() == 1 && users()[0].outside == 0 && users()[0].count == UINT32_MAX;
  return !all;
}

bool user_exists(uint32_t id) { return contains(users(), id); }
bool group_exists(uint32_t id) { return contains(groups(), id); }
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
  return out;
}

}  // namespace pcompose::engine::rootless
