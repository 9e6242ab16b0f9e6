#include "scheduler/pod_infra.h"

#include <csignal>
#include <fcntl.h>
#include <sched.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/process.h"
#include "engine/rootless/adapt.h"
#include "engine/rootless/own_ids.h"
#include "engine/seccomp.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kProgram = "/pcompose-init";
constexpr uint64_t kShmBytes = 65536;  // nobody uses its /dev/shm

engine::Mount program_mount() {
  engine::Mount out;
  out.type = "bind";
  out.source = own_program("pcompose-init");
  out.destination = kProgram;
  out.is_file = true;
  out.recursive = false;
  out.attributes = 1;  // MOUNT_ATTR_RDONLY
  return out;
}

}  // namespace

engine::ContainerSpec PodInfra::describe(const SharedNetwork& pod) const {
  engine::ContainerSpec spec;
  spec.root.path = context_.run + "/pod";
  spec.root.readonly = true;
  make_directories(spec.root.path);
  spec.mounts = engine::default_mounts(kShmBytes);
  spec.mounts.push_back(program_mount());
  spec.linux.new_namespaces = CLONE_NEWNS | CLONE_NEWPID;
  spec.linux.namespaces = {{CLONE_NEWIPC, pod.ipc.get()}, {CLONE_NEWUTS, pod.uts.get()}};
  spec.linux.network_namespace = pod.space.get();
  spec.linux.masked_paths = engine::default_masked_paths();
  spec.linux.readonly_paths = engine::default_readonly_paths();
  spec.linux.seccomp = engine::default_seccomp_filter(engine::default_capabilities(),
                                                      context_.roots.state + "/cache");
  spec.process.args = {kProgram, "--pause"};
  spec.process.no_new_privileges = true;
  if (engine::rootless::in_user_namespace()) engine::rootless::adapt(spec);
  return spec;
}

Task<> PodInfra::start(const SharedNetwork& pod) {
  engine::ContainerSpec spec = describe(pod);
  auto parked = co_await context_.keeper->launch(kName, engine::prepare_plan(spec));
  pid_ = parked.pid;
  process_ = Pidfd(std::move(parked.pidfd));
  try {
    co_await context_.keeper->start(kName, engine::start_plan(spec));
  } catch (...) {
    process_.send_signal(SIGKILL);
    process_ = Pidfd();
    throw;
  }
  started_ = process_start_time(pid_).value_or(0);
}

Task<Fd> PodInfra::pid_namespace(const SharedNetwork& pod) {
  if (!runs()) {
    try {
      co_await start(pod);
    } catch (Error& e) {
      throw e.add("start the infra container of the pod " + context_.project);
    }
  }
  Fd space = open_file(fmt::format("/proc/{}/ns/pid", pid_), O_RDONLY);
  // Of that process and no other: a pid may have become another's.
  if (!runs()) throw Error("the infra container of the pod " + context_.project + " has ended");
  co_return space;
}

Task<> PodInfra::stop() {
  if (!process_) co_return;
  process_.send_signal(SIGKILL);
  co_await wait_readable(process_.get());
  process_ = Pidfd();
  context_.keeper->forget(kName);
}

void PodInfra::restore(engine::KeptProcess process) {
  if (process.state != keeper::State::running || !process.pidfd)
    return context_.keeper->forget(kName);
  pid_ = process.pid;
  started_ = process.start_time;
  process_ = Pidfd(std::move(process.pidfd));
}

void PodInfra::hand_to_keeper() {
  if (runs()) context_.keeper->adopt(kName, pid_, started_, process_.get());
}

}  // namespace pcompose::scheduler
