// Hooks of CDI devices: programs of the host that make a container ready for the device, as
// nvidia-ctk does with links and ld.so.cache (OCI runtime specification, config, "POSIX-platform
// Hooks"). Where the specification runs them before the root is entered, ours find it at
// /proc/PID/root, which their bundle's config.json names.
#include <fcntl.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/namespaces.h"
#include "engine/plan.h"
#include "engine/runtime/config_writer.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only

namespace {

engine::Process process_of(const engine::Hook& hook, const Fd& state, const Fd& messages) {
  engine::Process p;
  p.program = hook.path;
  p.args = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  p.env = hook.env.value_or(std::vector<std::string>{});
  p.stdio[0] = state.get();
  p.stdio[1] = p.stdio[2] = messages.get();
  return p;
}

}  // namespace

std::string Replica::hook_state(const char* status, pid_t pid) const {
  json::object annotations;
  for (const auto& [key, value] : service_.annotations) annotations[key] = value;
  json::object state = {{"ociVersion", "1.0.2"},
                        {"id", row_.id},
                        {"status", status},
                        {"bundle", run_directory() + "/bundle"},
                        {"annotations", std::move(annotations)}};
  if (pid > 0) state["pid"] = pid;
  return json::serialize(state);
}

// With the place: those of the host outside, those of the container in it.
Task<> Replica::run_device_hook(const engine::Hook& hook, const char* kind,
                                const std::string& state, HookPlace place) {
  Fd input = memory_file("state", state), messages = memory_file("messages");
  engine::Process p = process_of(hook, input, messages);
  std::shared_ptr<ExecProcess> process;
  try {
    if (place == HookPlace::container) {
      pid_t pid = parked_->pid;
      Fd root = open_file(fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);
      p.capabilities = spec_.process.capabilities;
      engine::Entry into{parked_->pidfd.get(), root.get(), engine::namespaces_apart_from_ours(pid)};
      engine::Linux linux;
      linux.cgroup_procs = context_.cgroups->procs(row_.short_id());
      process = co_await launch_beside(engine::exec_plan(p, into, linux));
    } else {
      process = co_await launch_beside(engine::runtime_plan(p, {}));
    }
  } catch (Error& e) {
    throw e.add(fmt::format("{} hook {} of a CDI device", kind, hook.path));
  }
  if (hook.timeout) {
    co_await (process->ended.wait() || sleep_for(std::chrono::seconds(*hook.timeout)));
    if (!process->ended.is_set()) process->pidfd.send_signal(SIGKILL);
  }
  co_await process->ended.wait();
  if (process->status && process->status->code() == 0) co_return;
  throw Error(fmt::format("{} hook {} of a CDI device ended with code {}: {}", kind, hook.path,
                          process->status ? process->status->code() : 255,
                          last_line(messages.get())));
}

// prestart, createRuntime, createContainer: what the container will see is there, its program is
// not.
Task<> Replica::run_create_hooks() {
  const engine::Hooks& hooks = device_edits_.hooks;
  if (!hooks.before_the_root_is_entered()) co_return;
  make_directories(run_directory() + "/bundle");
  replace_file(run_directory() + "/bundle/config.json",
               json::serialize(
                   engine::runtime::config_of(spec_, fmt::format("/proc/{}/root", parked_->pid))),
               0600);
  std::string state = hook_state("creating", parked_->pid);
  for (const engine::Hook& hook : hooks.prestart)
    co_await run_device_hook(hook, "prestart", state, HookPlace::host);
  for (const engine::Hook& hook : hooks.create_runtime)
    co_await run_device_hook(hook, "createRuntime", state, HookPlace::host);
  for (const engine::Hook& hook : hooks.create_container)
    co_await run_device_hook(hook, "createContainer", state, HookPlace::host);
}

Task<> Replica::run_start_hooks() {
  for (const engine::Hook& hook : device_edits_.hooks.start_container) {
    co_await run_device_hook(hook, "startContainer", hook_state("created", parked_->pid),
                             HookPlace::container);
  }
}

// One that fails changes nothing any more: it is only said.
Task<> Replica::run_late_hooks(const std::vector<engine::Hook>& hooks, const char* kind,
                               const char* status) {
  if (hooks.empty() || has_own_runtime()) co_return;  // a runtime runs them itself
  std::string state = hook_state(status, row_.pid);
  for (const engine::Hook& hook : hooks) {
    try {
      co_await run_device_hook(hook, kind, state, HookPlace::host);
    } catch (const Error& e) {
      spdlog::warn("{}: {}", row_.name, e.what());
    }
  }
}

}  // namespace pcompose::scheduler
