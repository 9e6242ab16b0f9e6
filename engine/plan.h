// A launch as a list of typed set-up operations: made from a description, printed, compared, sent
// to the keeper.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "engine/launch/wire.h"
#include "engine/spec.h"

namespace pcompose::engine {

// Builds one block of engine/launch/wire.h. Descriptors are borrowed: they must live until the plan
// was sent.
class Plan {
 public:
  explicit Plan(uint64_t clone_flags = 0) : clone_flags_(clone_flags) {}

  uint32_t text(std::string_view value);                   // a string's place; 0 for ""
  uint32_t blob(const void* data, size_t bytes);           // 8-byte aligned
  uint32_t texts(const std::vector<std::string>& values);  // one after another
  int32_t descriptor(int fd);                              // its number in the plan; kNoFd for -1
  void add(const launch::Op& op);
  // The child may be looked into until the operation `undumpable`.
  void stay_dumpable() { stays_dumpable_ = 1; }

  [[nodiscard]] std::string bytes() const;
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }
  [[nodiscard]] uint64_t clone_flags() const { return clone_flags_; }
  [[nodiscard]] size_t size() const { return ops_.size(); }
  // "mount_fs proc on /proc": what operation `index` does, for errors. A negative index is the
  // clone.
  [[nodiscard]] std::string describe(int index) const;
  [[nodiscard]] launch::OpCode code(int index) const;
  // Every operation, a line each.
  [[nodiscard]] std::string str() const;

 private:
  [[nodiscard]] const char* at(uint32_t offset) const { return pool_.data() + offset; }

  std::vector<launch::Op> ops_;
  std::vector<int> fds_;
  std::string pool_ = std::string(8, '\0');  // offset 0 means "none"
  uint64_t clone_flags_;
  uint32_t stays_dumpable_ = 0;
};

// clone … park: everything that does not depend on other containers.
Plan prepare_plan(const ContainerSpec& spec);
// What the parked child does when it may start: late mounts, identity, filter, exec.
Plan start_plan(const ContainerSpec& spec);
// A program of the host, an OCI runtime say, in these cgroups. Where there is a `spec` it finds the
// container's root where that has it, with all its binds, in a mount namespace of its own.
Plan runtime_plan(const Process& program, const std::vector<std::string>& cgroup_procs,
                  const ContainerSpec* spec = nullptr);
// The running container that a further process goes into.
struct Entry {
  int pidfd = -1;
  int root = -1;            // an O_PATH descriptor of /proc/PID/root
  uint64_t namespaces = 0;  // which are entered: engine/namespaces.h
};
Plan exec_plan(const Process& process, const Entry& into, const Linux& linux);

}  // namespace pcompose::engine
