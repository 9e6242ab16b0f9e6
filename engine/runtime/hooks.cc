#include "engine/runtime/hooks.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/memory_file.h"
#include "base/process.h"
#include "engine/runtime/bundle_plan.h"
#include "engine/runtime/launcher.h"

namespace pcompose::engine::runtime {
namespace {

void await_end(Child& child, const Hook& hook, const char* kind) {
  pollfd ended{child.pidfd().get(), POLLIN, 0};
  int limit = hook.timeout ? *hook.timeout * 1000 : -1;
  int n = 0;
  do {
    n = ::poll(&ended, 1, limit);
  } while (n < 0 && errno == EINTR);
  if (n == 0) {
    child.pidfd().send_signal(SIGKILL);
    child.wait();
    throw Error(fmt::format("{} hook {}: took longer than {} s", kind, hook.path, *hook.timeout));
  }
  ExitStatus status = child.wait();
  if (status.code() != 0) {
    throw Error(
        fmt::format("{} hook failed with exit code {}: {}", kind, status.code(), hook.path));
  }
}

std::vector<std::string> arguments_of(const Hook& hook) {
  return hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
}

void run_hook(const Hook& hook, const char* kind, const std::string& state,
              const std::string& directory) {
  Fd input = memory_file("state", state);
  SpawnOptions options;
  options.program = hook.path;
  options.argv = arguments_of(hook);
  options.environment = hook.env ? *hook.env : current_environment();
  options.directory = directory;
  options.fds = {{input.get(), 0}, {1, 1}, {2, 2}};
  try {
    Child child = spawn(options);
    await_end(child, hook, kind);
  } catch (Error& e) {
    if (e.error_number() != 0) e.add(fmt::format("{} hook", kind));
    throw;
  }
}

Process process_of(const Hook& hook, const HookPlace& place) {
  Process p;
  if (place.identity != nullptr) {
    p = *place.identity;
  } else {
    p.capabilities = {~0ULL, ~0ULL, ~0ULL, 0, 0};  // what is not to be had is left out
  }
  p.program = hook.path;
  p.args = arguments_of(hook);
  p.env = hook.env ? *hook.env : current_environment();
  p.terminal = false;
  p.apparmor_profile.clear();
  p.selinux_label.clear();
  p.scheduler.reset();
  p.cwd = place.directory;
  return p;
}

void run_hook_inside(const Hook& hook, const char* kind, const std::string& state,
                     const HookPlace& place) {
  Fd input = memory_file("state", state);
  Process p = process_of(hook, place);
  p.stdio[0] = input.get();
  p.stdio[1] = 1;
  p.stdio[2] = 2;
  Linux linux;
  linux.cgroup_procs = place.cgroup_procs;
  EntryOptions entry;
  entry.pidfd = place.pidfd;
  entry.root = place.root;
  entry.namespaces = place.namespaces;
  entry.enters_user_namespace = (place.namespaces & CLONE_NEWUSER) != 0;
  Plan plan = entry_plan(p, linux, entry);
  Launch launch(plan, -1);
  try {
    launch.until_parked_or_running({});
  } catch (Error& e) {
    throw e.add(fmt::format("{} hook", kind));
  }
  await_end(launch.child(), hook, kind);
}

}  // namespace

void run_hooks(const std::vector<Hook>& hooks, const char* kind, const std::string& state,
               const std::string& directory) {
  for (const Hook& hook : hooks) run_hook(hook, kind, state, directory);
}

std::vector<std::string> run_hooks_anyway(const std::vector<Hook>& hooks, const char* kind,
                                          const std::string& state, const std::string& directory) {
  std::vector<std::string> failures;
  for (const Hook& hook : hooks) {
    try {
      run_hook(hook, kind, state, directory);
    } catch (const Error& e) {
      failures.emplace_back(e.what());
    }
  }
  return failures;
}

void run_hooks_inside(const std::vector<Hook>& hooks, const char* kind, const std::string& state,
                      const HookPlace& place) {
  for (const Hook& hook : hooks) run_hook_inside(hook, kind, state, place);
}

}  // namespace pcompose::engine::runtime
