// Started -> ended -> started again: output, exit status, restart policy, stop.
#include <csignal>
#include <fcntl.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "engine/namespaces.h"
#include "scheduler/replica.h"
#include "scheduler/stop_signal.h"

namespace pcompose::scheduler {

using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only
using std::chrono::milliseconds;

// A terminal's output takes the way of everybody's: spliced into the FIFO, so that no byte is ever
// only in memory.
Task<> Replica::copy_terminal(Fd fifo) {
  asio::posix::stream_descriptor master(context_.executor, terminal_.duplicate().release());
  for (;;) {
    co_await master.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    ssize_t n =
        ::splice(master.native_handle(), nullptr, fifo.get(), nullptr, 65536, SPLICE_F_NONBLOCK);
    if (n > 0 || (n < 0 && errno == EAGAIN)) continue;
    co_return;  // EIO: the last process that had the terminal is gone (pty(7))
  }
}

Task<> Replica::copy_output() {
  TaskGroup group(context_.executor);
  // Open before the pump looks: without a writer it would be at its end.
  if (terminal_) {
    group.spawn(copy_terminal(
        open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::out), O_RDWR)));
  }
  co_await pump_->run();
  co_await group.join();
  terminal_.reset();
  output_done_.set();
}

// Who is not the parent reads the status elsewhere: the kernel keeps it (6.15+), or the zombie
// shows it.
Task<> Replica::settle_status() {
  for (int i = 0; i < 20 && !exit_status_; ++i) {
    if (pidfd_) exit_status_ = pidfd_.foreign_status();
    if (!exit_status_ && row_.pid > 0) exit_status_ = zombie_status(row_.pid);
    if (!exit_status_) co_await sleep_for(milliseconds(10));
  }
}

std::optional<Duration> Replica::note_end() {
  row_.exit_code = exit_status_ ? exit_status_->code() : 255;
  row_.error = exit_status_ ? "" : "exit status unknown: its parent was killed";
  if (std::string reason = out_of_memory(); !reason.empty()) {
    row_.error = reason;
    tell("oom");
  }
  row_.finished_ns = context_.wall_ns();
  auto ran = std::chrono::nanoseconds(row_.finished_ns - row_.started_ns);
  tell("die", {{"exitCode", std::to_string(row_.exit_code)},
               {"execDuration",
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(ran).count())}});
  row_.pid = 0;
  row_.health = Health::none;
  pidfd_ = Pidfd();
  monitor_.reset();
  health_wake_.pulse();
  context_.end_noted(process_name());
  stdin_.reset();
  for (const char* what : {"in", "tty"}) context_.keeper->drop(descriptor_name(what));
  auto who = row_.stopped_by_user ? Ended::by_the_user
             : ends_unhealthy_    ? Ended::unhealthy
                                  : Ended::by_itself;
  auto delay = restarts_.after_exit(row_.exit_code, context_.clock.now() - started_at_, who);
  row_.restarts = restarts_.restarts();
  set_status(delay ? Status::restarting : Status::exited);
  context_.names_changed();
  return delay;
}

// True where it runs again or will be tried again; false where it was stopped meanwhile.
Task<bool> Replica::start_again(Duration delay) {
  for (;;) {
    co_await (stop_requested_.wait() || sleep_for(delay));
    if (stop_requested_.is_set()) co_return false;
    std::string failure;
    try {
      co_await launch();
      co_return true;
    } catch (const Error& e) {
      failure = e.what();
    }
    if (parked_) Pidfd(std::move(parked_->pidfd)).send_signal(SIGKILL);
    parked_.reset();
    row_.error = failure;
    row_.exit_code = 127;
    row_.finished_ns = context_.wall_ns();
    auto next = restarts_.after_exit(127, Duration::zero(), Ended::by_itself);
    set_status(next ? Status::restarting : Status::exited);
    if (!next) co_return false;
    delay = *next;
  }
}

// A pid namespace of its own takes everybody along with its first process, but who is just entering
// it. In another's, or the host's, what it started lives on.
Task<> Replica::end_the_rest() {
  for (int i = 0; i < 100 && !context_.cgroups->processes(row_.short_id()).empty(); ++i) {
    context_.cgroups->kill_all(row_.short_id());
    co_await sleep_for(milliseconds(5));
  }
}

Task<> Replica::watch() {
  for (;;) {
    output_done_.clear();
    TaskGroup group(context_.executor);
    if (!pump_) make_fifos();
    group.spawn(copy_output());
    if (probe_ && monitor_) group.spawn(watch_health());
    co_await ended_.wait();
    co_await settle_status();
    co_await end_the_rest();
    co_await wait_for_last_words();
    auto delay = note_end();
    group.cancel();
    co_await group.join();
    co_await run_late_hooks(device_edits_.hooks.poststop, "poststop", "stopped");
    if (has_own_runtime()) co_await forget_container();
    if (!row_.remove_at_end) end_attached();
    if (delay && co_await start_again(*delay)) continue;
    break;
  }
  co_await stay_down();
}

// An earlier supervisor noted its end and died before the start that was due.
Task<> Replica::watch_restart() {
  if (co_await start_again(milliseconds(100))) co_return co_await watch();
  co_await stay_down();
}

Task<> Replica::stay_down() {
  if (row_.status == Status::restarting) set_status(Status::exited);
  try {
    co_await context_.leave_network(*this);
  } catch (const Error& e) {
    spdlog::error("{}: its network is left behind: {}", row_.name, e.what());
  }
  watched_ = false;  // who waits in stop() may make its network anew now
  changed_.pulse();
  context_.changed();
  if (row_.remove_at_end) context_.ended_for_good(ref());
}

// Who waits for its end reads its last words next. A process that was moved out of the container
// could hold the FIFO for ever; a client that reads slowly may take its time.
Task<> Replica::wait_for_last_words() {
  co_await (output_done_.wait() || sleep_for(std::chrono::seconds(2)));
  while (!output_done_.is_set() && attached_is_behind() && !stop_requested_.is_set())
    co_await (output_done_.wait() || sleep_for(milliseconds(100)));
}

void Replica::kill() {
  row_.stopped_by_user = true;
  stop_requested_.set();
  if (pidfd_) {
    pidfd_.send_signal(SIGKILL);
    tell("kill", {{"signal", std::to_string(SIGKILL)}});
  }
  unpause();
}

void Replica::send_signal(int signal) {
  if (!pidfd_) throw Error("container " + row_.name + " is not running");
  if (signal == SIGKILL || signal == stop_signal_of(service_, image_.config)) {
    row_.stopped_by_user = true;
    save();
    stop_requested_.set();
  }
  pidfd_.send_signal(signal);
  tell("kill", {{"signal", std::to_string(signal)}});
  if (signal == SIGKILL) unpause();  // a frozen process dies only when it thaws (cgroup v1)
}

void Replica::pause() {
  if (row_.status != Status::running) return;
  context_.cgroups->freeze(row_.short_id(), engine::Freeze::yes);
  set_status(Status::paused);
  tell("pause");
}

void Replica::unpause() {
  if (row_.status != Status::paused) return;
  context_.cgroups->freeze(row_.short_id(), engine::Freeze::no);
  set_status(Status::running);
  tell("unpause");
  health_wake_.pulse();
}

Task<> Replica::stop(std::optional<Duration> grace) {
  Instant deadline = context_.clock.now() + grace.value_or(grace_period());
  unpause();
  co_await run_pre_stop(deadline);
  row_.stopped_by_user = true;
  save();
  stop_requested_.set();
  if (parked_) Pidfd(std::move(parked_->pidfd)).send_signal(SIGKILL);
  parked_.reset();
  bool was_up = static_cast<bool>(pidfd_);
  // To its end: a command that is cancelled in between would leave one that dies, and the next
  // would take it for one that runs.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  // One that is about to start again may have a process once more.
  for (bool first = true; first || is_up() || watched_; first = false) {
    co_await end_process(deadline);
    if (is_up() || watched_) co_await (changed_.wait() || sleep_for(milliseconds(200)));
  }
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  if (was_up) tell("stop");
}

// The stop signal, and SIGKILL once the deadline is over or waiting for it is useless.
Task<> Replica::end_process(Instant deadline) {
  if (!pidfd_) co_return;
  int signal = stop_signal_of(service_, image_.config);
  StopSignal reaction(row_.pid, signal);
  pidfd_.send_signal(signal);
  tell("kill", {{"signal", std::to_string(signal)}});
  constexpr Duration kShortest = milliseconds(20), kLongest = milliseconds(200);
  Duration step = kShortest;
  for (;;) {
    co_await (changed_.wait() || sleep_for(step));
    if (!pidfd_) co_return;
    auto left = deadline - context_.clock.now();
    auto others = has_other_processes() ? StopSignal::Others::some : StopSignal::Others::none;
    auto now = reaction.look(others, left);
    if (now == StopSignal::Reaction::missed) pidfd_.send_signal(signal);
    if (now == StopSignal::Reaction::none || left <= Duration::zero()) pidfd_.send_signal(SIGKILL);
    step = now == StopSignal::Reaction::possible ? std::min(step * 2, kLongest) : kShortest;
  }
}

// It starts again, whatever its restart policy.
Task<> Replica::end_unhealthy() {
  ends_unhealthy_ = true;
  co_await end_process(context_.clock.now() + grace_period());
}

Duration Replica::grace_period() const {
  return service_.stop_grace_period.value_or(std::chrono::seconds(10));
}

bool Replica::has_other_processes() const {
  try {
    auto groups = context_.cgroups->procs(row_.short_id());
    size_t count = groups.empty() ? engine::processes_in_namespace_of(row_.pid).size()
                                  : context_.cgroups->processes(row_.short_id()).size();
    return count != 1;
  } catch (const std::exception&) {
    return true;  // in doubt
  }
}

}  // namespace pcompose::scheduler
