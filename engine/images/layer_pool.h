// The layers that a pull writes: some at once, each on a thread of its own, fed by the loop.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/loop.h"
#include "engine/images/byte_ring.h"
#include "engine/images/layer_store.h"
#include "engine/images/manifest.h"

namespace pcompose::engine {

// On one loop, but for what it says.
class LayerPool {
 public:
  // Fills the ring with the layer's blob and finishes it.
  using Download = std::function<Task<>(ByteRing& ring)>;

  LayerPool(asio::any_io_executor executor, LayerStore& store, int at_once);
  // Starts no more; waits for the threads. The loop must have ended.
  ~LayerPool() = default;

  // The layer's bytes on the disk. Downloads it only where the store lacks it and no other process
  // writes it. Calls for one chain id at once share one download. Throws what downloading and
  // unpacking throw.
  Task<int64_t> add(SourceLayer layer, Download download);

 private:
  struct Job {
    explicit Job(const asio::any_io_executor& executor) : done(executor) {}
    Event done;
    int64_t bytes = 0;
    std::exception_ptr failure;
  };

  Task<> run(std::shared_ptr<Job> job, SourceLayer layer, Download download);
  UnpackedLayer unpack(const SourceLayer& layer, const Download& download, LayerPlace place);
  Task<> feed(std::shared_ptr<ByteRing> ring, Download download);

  asio::any_io_executor executor_;
  LayerStore& store_;
  Event slot_free_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;
  std::list<LoopThread> threads_;
  std::list<LoopThread*> idle_;
  TaskGroup tasks_;
};

}  // namespace pcompose::engine
