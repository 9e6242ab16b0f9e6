#include "base/loop.h"

#include <pthread.h>

#include "base/error.h"

namespace pcompose {
namespace {

constexpr auto kNever = std::chrono::steady_clock::time_point::max();

}  // namespace

Event::Event(asio::any_io_executor executor) : timer_(std::move(executor), kNever) {}

void Event::set() {
  set_ = true;
  pulse();
}

void Event::pulse() { timer_.cancel(); }

Task<> Event::wait() {
  if (set_) co_return;
  boost::system::error_code ec;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  // pulse() and a cancelled coroutine look alike to the timer; only the coroutine knows which it
  // was.
  if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

struct TaskGroup::State {
  explicit State(asio::any_io_executor e) : executor(std::move(e)), changed(executor) {}
  asio::any_io_executor executor;
  Event changed;
  std::list<asio::cancellation_signal> running;
  std::exception_ptr first;
};

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(Task<> task) {
  auto signal = state_->running.emplace(state_->running.end());
  asio::co_spawn(
      state_->executor, std::move(task),
      asio::bind_cancellation_slot(signal->slot(), [state = state_, signal](std::exception_ptr e) {
        if (e && !state->first && !is_cancellation(e)) state->first = e;
        state->running.erase(signal);
        state->changed.pulse();
      }));
}

void TaskGroup::cancel() {
  // A handler may end, and so erase, its task while we walk.
  for (auto it = state_->running.begin(); it != state_->running.end();) {
    auto next = std::next(it);
    it->emit(asio::cancellation_type::terminal);
    it = next;
  }
}

size_t TaskGroup::size() const { return state_->running.size(); }

Task<> TaskGroup::join() {
  auto state = state_;
  while (!state->running.empty()) co_await wait_shielded(state->changed);
  if (state->first) std::rethrow_exception(std::exchange(state->first, nullptr));
}

Task<> wait_shielded(Event& event) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await event.wait();
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
}

Task<> sleep_for(std::chrono::steady_clock::duration how_long) {
  asio::steady_timer timer(co_await asio::this_coro::executor, how_long);
  co_await timer.async_wait(asio::use_awaitable);
}

Task<> wait_readable(int fd) {
  asio::posix::stream_descriptor descriptor(co_await asio::this_coro::executor, fd);
  struct Release {
    asio::posix::stream_descriptor& d;
    ~Release() { d.release(); }
  } release{descriptor};
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
}

bool is_cancellation(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (const asio::multiple_exceptions& e) {
    return is_cancellation(e.first_exception());  // both sides of a || were cancelled
  } catch (...) {
    return false;
  }
}

LoopThread::LoopThread(const std::string& name)
    : work_(asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

LoopThread::~LoopThread() {
  work_.reset();
  thread_.join();
}

}  // namespace pcompose
