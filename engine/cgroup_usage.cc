#include "engine/cgroup_usage.h"

#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "base/fd.h"
#include "engine/cgroup.h"

namespace pcompose::engine {
namespace {

std::string read_or_empty(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";  // another hierarchy has it, or none
  }
}

uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

// The value behind `key` in lines of "key value".
uint64_t keyed(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  uint64_t value = 0;
  for (std::string name; lines >> name >> value;) {
    if (name == key) return value;
  }
  return 0;
}

void add(CgroupUsage& usage, const std::string& group) {
  auto take = [](uint64_t& into, uint64_t value) {
    if (value > 0) into = value;
  };
  take(usage.cpu_ns, number(read_or_empty(group + "/cpuacct.usage")));
  take(usage.cpu_ns, keyed(read_or_empty(group + "/cpu.stat"), "usage_usec") * 1000);
  take(usage.processes, number(read_or_empty(group + "/pids.current")));
  for (const char* file : {"/io.stat", "/blkio.throttle.io_service_bytes"})
    add_block_io(usage, read_or_empty(group + file));
  bool v2 = !read_or_empty(group + "/memory.current").empty();
  uint64_t used =
      number(read_or_empty(group + (v2 ? "/memory.current" : "/memory.usage_in_bytes")));
  if (used == 0) return;
  uint64_t cache =
      keyed(read_or_empty(group + "/memory.stat"), v2 ? "inactive_file" : "total_inactive_file");
  usage.memory = used > cache ? used - cache : used;
  uint64_t limit = number(read_or_empty(group + (v2 ? "/memory.max" : "/memory.limit_in_bytes")));
  // v1 writes "no limit" as the largest whole number of pages.
  if (limit < 1ULL << 60U) usage.memory_limit = limit;
}

}  // namespace

void add_block_io(CgroupUsage& usage, const std::string& text) {
  std::istringstream words(text);
  std::string before;
  for (std::string word; words >> word; before = word) {
    if (word.starts_with("rbytes=")) usage.read += number(word.substr(7));
    if (word.starts_with("wbytes=")) usage.written += number(word.substr(7));
    if (before == "Read") usage.read += number(word);
    if (before == "Write") usage.written += number(word);
  }
}

CgroupUsage usage_of_groups(pid_t pid) {
  CgroupUsage usage;
  std::string groups = read_or_empty("/proc/" + std::to_string(pid) + "/cgroup");
  for (const auto& h : joined_hierarchies(read_file("/proc/self/mountinfo"))) {
    std::string path = runtime::path_in_hierarchy(groups, h);
    if (!path.empty()) add(usage, h.mount + path);
  }
  return usage;
}

std::vector<pid_t> processes_in_group(pid_t pid, const std::string& container) {
  std::string groups = read_or_empty("/proc/" + std::to_string(pid) + "/cgroup");
  std::vector<pid_t> out;
  for (const auto& h : joined_hierarchies(read_file("/proc/self/mountinfo"))) {
    std::string path = runtime::path_in_hierarchy(groups, h);
    if (!path.ends_with("/" + container)) continue;
    std::istringstream pids(read_or_empty(h.mount + path + "/cgroup.procs"));
    for (pid_t member = 0; pids >> member;) out.push_back(member);
    if (!out.empty()) break;  // every hierarchy has the same ones
  }
  return out;
}

}  // namespace pcompose::engine
