// Socket operations with a deadline. Private to the room.
#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/loop.h"

namespace pcompose::netns {

inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// The operation's error, or timed_out; operation_aborted where the coroutine was cancelled. Nothing
// is thrown. `operation` was made with kTuple.
template <class... Results>
Task<boost::system::error_code> within(
    std::chrono::milliseconds limit,
    Task<std::tuple<boost::system::error_code, Results...>> operation) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, limit);
  auto first = co_await (std::move(operation) || timer.async_wait(kTuple));
  if (first.index() == 0) co_return std::get<0>(std::get<0>(first));
  auto expired = std::get<0>(std::get<1>(first));
  co_return expired ? expired : make_error_code(asio::error::timed_out);
}

}  // namespace pcompose::netns
