// Processes inside a running container: exec and health checks.
#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "engine/namespaces.h"
#include "engine/plan.h"
#include "engine/user.h"
#include "scheduler/container_rights.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only

Task<std::shared_ptr<ExecProcess>> Replica::exec(const ExecRequest& request) {
  if (!pidfd_ || row_.status != Status::running) {
    throw Error("service \"" + row_.service + "\" is not running").hint("see: pcompose ps -a");
  }
  engine::Process process;
  process.args = request.args;
  Fd root = open_file("/proc/" + std::to_string(row_.pid) + "/root", O_PATH | O_DIRECTORY);
  std::string user = !request.user.empty() ? request.user : service_.user;
  if (user.empty()) user = image_.config.user;
  if (user.empty()) user = default_user();
  if (has_own_users()) ids_ = engine::ids_of_process(row_.pid);
  std::string home;
  process.user = user_in(root.get(), user, &home);
  process.env = environment_of(service_, image_.config, hostname_of(service_, row_.id), home);
  for (const std::string& variable : request.env) put_variable(process.env, variable);
  if (request.terminal) process.env.emplace_back("TERM=xterm");
  process.cwd = !request.working_dir.empty() ? request.working_dir : service_.working_dir;
  if (process.cwd.empty()) process.cwd = image_.config.working_dir;
  process.capabilities = context_.without_unguarded_mknod(capabilities_of(service_), service_);
  if (request.privileged) process.capabilities = all_capabilities();
  process.no_new_privileges =
      security_options_of(service_).no_new_privileges && !request.privileged;
  process.terminal = request.terminal;
  process.rows = request.rows;
  process.columns = request.columns;
  std::copy(std::begin(request.stdio), std::end(request.stdio), std::begin(process.stdio));

  const ExecRequest* told = request.probe ? nullptr : &request;
  if (has_own_runtime()) co_return co_await exec_by_runtime(std::move(process), told);
  engine::Entry into{pidfd_.get(), root.get(), engine::namespaces_apart_from_ours(row_.pid)};
  engine::Linux linux;
  linux.cgroup_procs = context_.cgroups->procs(row_.short_id());
  if (!request.privileged) linux.seccomp = context_.filter_of(service_);
  co_return co_await launch_beside(engine::exec_plan(process, into, linux), told);
}

Task<std::shared_ptr<ExecProcess>> Replica::launch_beside(const engine::Plan& plan,
                                                          const ExecRequest* told) {
  auto running = std::make_shared<ExecProcess>(context_.executor);
  // The keeper gives up one of the same name, and may know some of a supervisor before us.
  running->name = fmt::format("x/{}/{}-{}", row_.short_id(), ::getpid(), ++execs_);
  watch_exec(running, told != nullptr);
  std::erase_if(running_execs_, [](const auto& weak) { return weak.expired(); });
  running_execs_.push_back(running);
  // Before its start: a short one has ended before the answer is here.
  if (told != nullptr) tell_exec(*told);
  try {
    auto launched = co_await context_.keeper->exec(running->name, plan);
    running->pid = launched.pid;
    running->pidfd = Pidfd(std::move(launched.pidfd));
    running->terminal = std::move(launched.terminal);
  } catch (const engine::LaunchError& e) {
    context_.exits.erase(running->name);
    if (e.op() == launch::OpCode::overlay) throw;  // replica_root.cc knows what to do
    int code = launch::exit_code_of_exec(e.error_number());
    if (told != nullptr) tell("exec_die", {{"exitCode", std::to_string(code)}});
    Error error("exec in " + row_.name + ": " + e.message());
    if (e.op() == launch::OpCode::exec) error.exit_code(code);
    throw error;
  }
  co_return running;
}

// `told`: events tell of its end.
void Replica::watch_exec(const std::shared_ptr<ExecProcess>& running, bool told) {
  context_.exits[running->name] = [weak = std::weak_ptr(running), &context = context_,
                                   name = running->name, died = event_of("exec_die", {}),
                                   told](std::optional<ExitStatus> status) {
    if (told) {
      ContainerEvent event = died;
      event.time_ns = context.wall_ns();
      event.attributes["exitCode"] = std::to_string(status ? status->code() : 255);
      context.publish(std::move(event));
    }
    if (auto process_that_ended = weak.lock()) {
      // Of another keeper's child only the kernel may know it.
      process_that_ended->status = status ? status : process_that_ended->pidfd.foreign_status();
      process_that_ended->ended.set();
    }
    context.keeper->forget(name);
    context.exits.erase(name);
  };
}

void Replica::tell_exec(const ExecRequest& request) {
  std::string command;
  for (const std::string& word : request.args) command += " " + word;
  tell("exec_create:" + command);
  tell("exec_start:" + command);
}

}  // namespace pcompose::scheduler
