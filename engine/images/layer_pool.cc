#include "engine/images/layer_pool.h"

#include <algorithm>
#include <unistd.h>

#include "engine/images/unpack.h"

namespace pcompose::engine {
namespace {

// What may have arrived before the inflating thread looks at it.
constexpr int64_t kRing = 2 << 20, kSmallestRing = 128 << 10;

}  // namespace

LayerPool::LayerPool(asio::any_io_executor executor, LayerStore& store, int at_once)
    : executor_(executor), store_(store), slot_free_(executor), tasks_(executor) {
  for (int i = 0; i < at_once; ++i) idle_.push_back(&threads_.emplace_back("unpack"));
}

Task<int64_t> LayerPool::add(SourceLayer layer, Download download) {
  auto& known = jobs_[layer.chain_id];
  if (!known) {
    known = std::make_shared<Job>(executor_);
    tasks_.spawn(run(known, std::move(layer), std::move(download)));
  }
  auto job = known;
  co_await job->done.wait();
  if (job->failure) std::rethrow_exception(job->failure);
  co_return job->bytes;
}

Task<> LayerPool::run(std::shared_ptr<Job> job, SourceLayer layer, Download download) {
  try {
    while (idle_.empty()) co_await slot_free_.wait();
    LoopThread* thread = idle_.front();
    idle_.pop_front();
    struct GiveBack {
      LayerPool& pool;
      LoopThread* thread;
      ~GiveBack() {
        pool.idle_.push_back(thread);
        pool.slot_free_.pulse();
      }
    } give_back{*this, thread};
    job->bytes = co_await thread->run([&] {
      return store_.add(layer.chain_id,
                        [&](LayerPlace place) { return unpack(layer, download, place); });
    });
  } catch (...) {
    job->failure = std::current_exception();
  }
  job->done.set();
}

// On the thread of the layer.
UnpackedLayer LayerPool::unpack(const SourceLayer& layer, const Download& download,
                                LayerPlace place) {
  auto ring = std::make_shared<ByteRing>(
      static_cast<size_t>(std::clamp(layer.size * 2, kSmallestRing, kRing)));
  struct Abandon {
    ByteRing& ring;
    ~Abandon() { ring.abandon(); }
  } abandon{*ring};
  asio::post(executor_, [this, ring, download] { tasks_.spawn(feed(ring, download)); });
  return unpack_layer(*ring, {layer.diff_id, layer.digest, layer.size}, place,
                      LayerLimits::from_environment(), possible_ownership());
}

Task<> LayerPool::feed(std::shared_ptr<ByteRing> ring, Download download) {
  try {
    co_await download(*ring);
    ring->finish();
  } catch (...) {
    ring->fail(std::current_exception());
  }
}

}  // namespace pcompose::engine
