// start, kill, delete.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/config.h"
#include "engine/runtime/container.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/hooks.h"
#include "engine/runtime/launcher.h"
#include "engine/runtime/listener.h"

namespace pcompose::engine::runtime {
namespace {

std::string step_of(const StateDirectory& directory, int32_t index) {
  std::istringstream steps(directory.read("steps"));
  std::string line;
  std::getline(steps, line);  // the clone
  for (int32_t i = 0; i <= index; ++i) std::getline(steps, line);
  return line;
}

// Those whose failure means something of its own.
launch::OpCode code_of(const std::string& step) {
  if (step.starts_with("exec ")) return launch::OpCode::exec;
  return step == "set the scheduler" ? launch::OpCode::scheduler : launch::OpCode::none;
}

// Until its program runs: then the socket closes.
void follow(const StateDirectory& directory, int channel, const ContainerRecord& record,
            const ContainerSpec& spec) {
  ChildMessage message;
  while (receive_message(channel, message)) {
    if (message.report.phase == launch::Phase::listener) {
      hand_over_listener(message.fd, record.pid, record, spec);
      send_go(channel);
    }
    if (message.report.phase != launch::Phase::failed) continue;
    std::string step = step_of(directory, message.report.op);
    throw step_error(step, code_of(step), message.report.error);
  }
}

void run_start_hooks(const ContainerSpec& spec, const ContainerRecord& record,
                     const Pidfd& process) {
  if (spec.hooks.start_container.empty()) return;
  Fd root = open_file(fmt::format("/proc/{}/root", record.pid), O_PATH | O_DIRECTORY);
  HookPlace place;
  place.pidfd = process.get();
  place.root = root.get();
  place.namespaces = namespaces_of(spec.linux);
  place.cgroup_procs = record.group.procs_to_join();
  place.identity = &spec.process;
  run_hooks_inside(spec.hooks.start_container, "startContainer",
                   state_document(record, Status::created), place);
}

void await_end(const Pidfd& process) {
  pollfd ended{process.get(), POLLIN, 0};
  while (::poll(&ended, 1, 10'000) < 0 && errno == EINTR) {
  }
}

std::vector<std::string> destroy(const StateDirectory& directory, const ContainerRecord& record,
                                 const ContainerSpec& spec) {
  record.group.remove();
  directory.remove();
  // The container is gone by now: a hook that fails changes nothing of that, and the spec wants the
  // rest to run.
  return run_hooks_anyway(spec.hooks.poststop, "poststop", state_document(record, Status::stopped),
                          record.bundle);
}

}  // namespace

void start_container(const std::string& root, const std::string& id) {
  StateDirectory directory = StateDirectory::open(root, id);
  directory.lock();
  ContainerRecord record = directory.load();
  Status status = status_of(directory, record);
  if (status != Status::created)
    throw Error(fmt::format("cannot start container \"{}\": it is {}", id, name_of(status)));
  ContainerSpec spec = parse_config(directory.read("config.json"));
  if (!spec.has_process)
    throw Error(fmt::format("cannot start container \"{}\": it has no process", id));
  auto process = live_process(record);
  if (!process) throw Error(fmt::format("container \"{}\" is not running", id));
  try {
    run_start_hooks(spec, record, *process);
    Fd channel = directory.connect();
    directory.forget_start();
    send_go(channel.get());
    follow(directory, channel.get(), record, spec);
    run_hooks(spec.hooks.poststart, "poststart", state_document(record, Status::running),
              record.bundle);
  } catch (const StepError&) {
    throw;  // its process has ended by itself; state and kill still tell of it
  } catch (const Error&) {
    // "If any startContainer (poststart) hook fails, the runtime MUST … stop the container, and
    // continue the lifecycle at step 12", which destroys it (runtime, "Lifecycle").
    record.group.signal_all(SIGKILL);
    process->send_signal(SIGKILL);
    await_end(*process);
    destroy(directory, record, spec);
    throw;
  }
}

void kill_container(const std::string& root, const std::string& id, int signal, Whom whom) {
  StateDirectory directory = StateDirectory::open(root, id);
  ContainerRecord record = directory.load();
  if (whom == Whom::all) return record.group.signal_all(signal);
  auto process = live_process(record);
  if (!process || !process->send_signal(signal))
    throw Error(fmt::format("container \"{}\" is not running", id));
  // A frozen process does not even die of SIGKILL on v1.
  if (signal == SIGKILL && record.group.is_frozen()) record.group.set_frozen(Freeze::thawed);
}

std::vector<std::string> delete_container(const std::string& root, const std::string& id,
                                          Force force) {
  StateDirectory directory = StateDirectory::open(root, id);
  directory.lock();
  ContainerRecord record;
  try {
    record = directory.load();
  } catch (const Error&) {
    // Its creation was killed half-way: there is nobody to ask.
    if (force == Force::no) throw;
    directory.remove();
    return {};
  }
  ContainerSpec spec = parse_config(directory.read("config.json"));
  if (auto process = live_process(record)) {
    if (force == Force::no)
      throw Error(fmt::format("cannot delete container \"{}\": it is {}", id,
                              name_of(status_of(directory, record))))
          .hint("kill it first, or say --force");
    process->send_signal(SIGKILL);
    record.group.signal_all(SIGKILL);
    if (record.group.is_frozen()) record.group.set_frozen(Freeze::thawed);
    record.group.leave_frozen_groups(record.pid);
    await_end(*process);
  }
  // Without a pid namespace of its own its first process leaves others behind.
  if ((spec.linux.new_namespaces & CLONE_NEWPID) == 0) record.group.signal_all(SIGKILL);
  return destroy(directory, record, spec);
}

}  // namespace pcompose::engine::runtime
