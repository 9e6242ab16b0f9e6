#include "engine/output/pump.h"

namespace pcompose::engine {

OutputPump::OutputPump(asio::any_io_executor executor, const std::string& directory,
                       const std::string& log_directory, LogLimits limits, const Fd& out,
                       const Fd& err)
    : staging_(directory, log_directory, limits),
      fifo_{asio::posix::stream_descriptor(executor, out.duplicate().release()),
            asio::posix::stream_descriptor(executor, err.duplicate().release())} {}

Task<> OutputPump::pump(Stream stream) {
  auto& fifo = fifo_[static_cast<unsigned>(stream)];
  auto executor = co_await asio::this_coro::executor;
  for (;;) {
    uint64_t before = staging_.staged(stream);
    Absorbed absorbed = staging_.absorb(stream, fifo.native_handle());
    std::string heard;
    if (listener_ && absorbed == Absorbed::some) heard = staging_.staged_from(stream, before);
    staging_.write_log(stream, absorbed == Absorbed::end ? Tail::final : Tail::open);
    if (!heard.empty()) co_await listener_(stream, std::move(heard));
    if (absorbed == Absorbed::end) co_return;
    if (absorbed == Absorbed::some) {
      // A chunk a turn: a container that prints without end must not hold up the others.
      co_await asio::post(executor, asio::use_awaitable);
      continue;
    }
    co_await fifo.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  }
}

Task<> OutputPump::run() {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(pump(Stream::out));
  co_await pump(Stream::err);
  co_await group.join();
}

}  // namespace pcompose::engine
