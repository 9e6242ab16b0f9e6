// post_start and pre_stop: commands beside the life of a container, run inside it one after another
// (compose specification, "post_start", "pre_stop").
#include <fcntl.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only

namespace {

ExecRequest request_of(const compose::Hook& hook) {
  ExecRequest out;
  out.args = hook.command;
  out.user = hook.user;
  out.working_dir = hook.working_dir;
  out.privileged = hook.privileged;
  for (const auto& [name, value] : hook.environment) {
    if (value) out.env.push_back(name + "=" + *value);
  }
  return out;
}

}  // namespace

// What it prints goes the way of the container's own output, so `up` and `logs` show it.
Task<> Replica::run_hook(const compose::Hook& hook, const std::string& place,
                         std::optional<Instant> deadline) {
  Fd out = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::out), O_RDWR);
  Fd err = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::err), O_RDWR);
  ExecRequest request = request_of(hook);
  request.stdio[1] = out.get();
  request.stdio[2] = err.get();
  std::shared_ptr<ExecProcess> process;
  try {
    process = co_await exec(request);
  } catch (Error& e) {
    throw e.add(place);
  }
  if (deadline) {
    co_await (process->ended.wait() || sleep_for(*deadline - context_.clock.now()));
    if (!process->ended.is_set()) process->pidfd.send_signal(SIGKILL);
  }
  co_await process->ended.wait();
  if (process->status && process->status->code() == 0) co_return;
  // Its last words come by the FIFO, a moment later.
  co_await sleep_for(std::chrono::milliseconds(20));
  std::string code = process->status ? std::to_string(process->status->code()) : "unknown";
  throw Error(fmt::format("{}: {} hook exited with status {}", place, row_.service, code) +
              "\n  the container's last output:" + last_output());
}

Task<> Replica::run_post_start() {
  for (size_t i = 0; i < service_.post_start.size(); ++i) {
    const compose::Hook& hook = service_.post_start[i];
    try {
      co_await run_hook(hook, fmt::format("post_start[{}] of {}", i, row_.name), std::nullopt);
    } catch (Error& e) {
      throw e.at(hook.position);
    }
  }
}

// The grace period holds for the hooks and the stop together: one that hangs must not keep the
// container up for ever. One that fails keeps it up, as docker compose has it.
Task<> Replica::run_pre_stop(Instant deadline) {
  if (row_.status != Status::running) co_return;
  for (size_t i = 0; i < service_.pre_stop.size(); ++i) {
    const compose::Hook& hook = service_.pre_stop[i];
    if (context_.clock.now() >= deadline) co_return;
    try {
      co_await run_hook(hook, fmt::format("pre_stop[{}] of {}", i, row_.name), deadline);
    } catch (Error& e) {
      bool late = context_.clock.now() >= deadline;
      if (late || !pidfd_ || pidfd_.ended()) co_return;  // nothing is left to keep up
      throw e.at(hook.position).hint("the container goes on; `kill` ends it without hooks");
    }
  }
}

}  // namespace pcompose::scheduler
