#include "engine/plan.h"

#include <cstring>
#include <numeric>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/launch/kernel_abi.h"

namespace pcompose::engine {

using launch::Op;
using launch::OpCode;

namespace {

const char* wait_name(int32_t stage) {
  switch (stage) {
    case launch::kStageMapIds:
      return "wait for the id maps";
    case launch::kStageNetDevices:
      return "wait for network devices";
    default:
      return "wait for hooks";
  }
}

}  // namespace

uint32_t Plan::blob(const void* data, size_t bytes) {
  pool_.resize((pool_.size() + 7) / 8 * 8);
  auto offset = static_cast<uint32_t>(pool_.size());
  pool_.append(static_cast<const char*>(data), bytes);
  return offset;
}

uint32_t Plan::text(std::string_view value) {
  if (value.empty()) return 0;
  auto offset = static_cast<uint32_t>(pool_.size());
  pool_.append(value).push_back('\0');
  return offset;
}

uint32_t Plan::texts(const std::vector<std::string>& values) {
  auto offset = static_cast<uint32_t>(pool_.size());
  for (const std::string& v : values) pool_.append(v).push_back('\0');
  return values.empty() ? 0 : offset;
}

int32_t Plan::descriptor(int fd) {
  if (fd < 0) return launch::kNoFd;
  fds_.push_back(fd);
  return static_cast<int32_t>(fds_.size() - 1);
}

void Plan::add(const Op& op) { ops_.push_back(op); }

std::string Plan::bytes() const {
  launch::PlanHeader head;
  size_t ops_bytes = ops_.size() * sizeof(Op);
  auto base = static_cast<uint32_t>(sizeof head + ops_bytes);
  head.size = base + static_cast<uint32_t>(pool_.size()) +
              1;  // ends in a zero byte: every string ends inside
  head.op_count = static_cast<uint32_t>(ops_.size());
  head.clone_flags = clone_flags_;
  head.stays_dumpable = stays_dumpable_;
  std::string out(reinterpret_cast<const char*>(&head), sizeof head);
  for (Op op : ops_) {
    // The pool's offsets become the plan's.
    for (uint32_t* s : {&op.s1, &op.s2, &op.s3}) *s = *s == 0 ? 0 : *s + base;
    out.append(reinterpret_cast<const char*>(&op), sizeof op);
  }
  return out.append(pool_).append(1, '\0');
}

namespace {

std::string namespaces(uint64_t flags) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {
      {CLONE_NEWUSER, "user"},     {CLONE_NEWNS, "mnt"},           {CLONE_NEWPID, "pid"},
      {CLONE_NEWNET, "net"},       {CLONE_NEWIPC, "ipc"},          {CLONE_NEWUTS, "uts"},
      {CLONE_NEWCGROUP, "cgroup"}, {launch::kCloneNewTime, "time"}};
  std::vector<std::string> out;
  for (auto [flag, name] : kNames) {
    if ((flags & flag) != 0) out.emplace_back(name);
  }
  return fmt::format("{}", fmt::join(out, ","));
}

}  // namespace

std::string Plan::describe(int index) const {
  if (index < 0 || static_cast<size_t>(index) >= ops_.size())
    return "clone " + namespaces(clone_flags_);
  const Op& op = ops_[static_cast<size_t>(index)];
  const char *s1 = at(op.s1), *s2 = at(op.s2), *s3 = at(op.s3);
  switch (op.code) {
    case OpCode::cgroup_join:
      return fmt::format("join cgroup {}", s1);
    case OpCode::set_namespace:
      return "enter " + namespaces(op.arg);
    case OpCode::enter_root:
      return "enter the container's root";
    case OpCode::new_namespace:
      return "new namespace " + namespaces(op.arg);
    case OpCode::private_mounts:
      return "make mounts private";
    case OpCode::propagation:
      return fmt::format("set the propagation of {} to {:#x}", op.s1 != 0 ? s1 : "/", op.arg);
    case OpCode::idmap:
      return fmt::format("show {} with the owners of a user namespace", s1);
    case OpCode::overlay:
      return fmt::format("mount overlay {}", s2);
    case OpCode::root_bind:
    case OpCode::root_tree:
    case OpCode::root_plain:
      return fmt::format("take the root {}", s1);
    case OpCode::mount_fs:
      return fmt::format("mount {} on {} flags {:#x} {}", s1, s2, op.arg, s3);
    case OpCode::mount_attributes:
      return fmt::format("set mount attributes {:#x}, clear {:#x}, propagation {:#x}", op.arg,
                         op.arg2, op.b);
    case OpCode::bind:
      return fmt::format("bind {} on {}", op.s1 != 0 ? s1 : "a tree", s2);
    case OpCode::make_node:
      return fmt::format("make node {}", s1);
    case OpCode::make_link:
      return fmt::format("make link {} to {}", s2, s1);
    case OpCode::mask:
      return fmt::format("mask {}", s1);
    case OpCode::read_only:
      return fmt::format("make {} read-only", s1);
    case OpCode::sysctl:
      return fmt::format("set sysctl {}={}", s1, s2);
    case OpCode::pivot:
      return "pivot to the new root";
    case OpCode::loopback_up:
      return "bring up lo";
    case OpCode::hostname:
      return fmt::format("set hostname {}", s1);
    case OpCode::domainname:
      return fmt::format("set domainname {}", s1);
    case OpCode::root_read_only:
      return "make the root read-only";
    case OpCode::park:
      return "park";
    case OpCode::wait:
      return wait_name(op.a);
    case OpCode::map_ids:
      return "become root of the user namespace";
    case OpCode::undumpable:
      return "become undumpable";
    case OpCode::session:
      return "new session";
    case OpCode::keyring:
      return "new session keyring";
    case OpCode::stdio:
      return fmt::format("stdio {} {} {}", op.a, op.b, op.c);
    case OpCode::inherit:
      return "keep a descriptor";
    case OpCode::pty:
      return "new terminal";
    case OpCode::own_stdio:
      return fmt::format("give stdio to uid {} gid {}", op.a, op.b);
    case OpCode::working_directory:
      return fmt::format("enter the working directory {}", s1);
    case OpCode::find_program:
      return fmt::format("find {}", s1);
    case OpCode::limit:
      return fmt::format("set limit {} to {}:{}", op.a, op.arg, op.arg2);
    case OpCode::self_file:
      return fmt::format("set {} to {}", s1, s2);
    case OpCode::scheduler:
      return "set the scheduler";
    case OpCode::io_priority:
      return fmt::format("set the io priority to {:#x}", op.a);
    case OpCode::affinity:
      return "set the processors";
    case OpCode::memory_policy:
      return "set the memory policy";
    case OpCode::personality:
      return fmt::format("set personality {:#x}", op.arg);
    case OpCode::umask:
      return fmt::format("set umask {:o}", op.a);
    case OpCode::bounding:
      return fmt::format("bound capabilities to {:#x}", op.arg);
    case OpCode::user:
      if (op.arg != 0) return fmt::format("become uid {} gid {} and keep the groups", op.a, op.b);
      return fmt::format("become uid {} gid {} and {} groups", op.a, op.b, op.c);
    case OpCode::seccomp:
      return fmt::format("load the seccomp filter of {} instructions", op.a);
    case OpCode::capabilities:
      return fmt::format("set capabilities {:#x}",
                         reinterpret_cast<const launch::CapabilitySets*>(s1)->effective);
    case OpCode::no_new_privs:
      return "set no_new_privs";
    case OpCode::fork_sibling:
      return "fork inside";
    case OpCode::exec:
      return fmt::format("exec {}", s1);
    case OpCode::none:
      break;
  }
  return "nothing";
}

launch::OpCode Plan::code(int index) const {
  bool inside = index >= 0 && static_cast<size_t>(index) < ops_.size();
  return inside ? ops_[static_cast<size_t>(index)].code : OpCode::none;
}

std::string Plan::str() const {
  std::string out = describe(-1) + "\n";
  for (size_t i = 0; i < ops_.size(); ++i) out += describe(static_cast<int>(i)) + "\n";
  return out;
}

}  // namespace pcompose::engine
