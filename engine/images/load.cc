#include "engine/images/load.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <map>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "engine/images/layer_store.h"
#include "engine/images/unpack.h"

namespace pcompose::engine {
namespace {

constexpr unsigned kMaxThreads = 4;  // beyond that the disk is what one waits for

bool is_plain_file(const Fd& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw Error::from_errno("fstat");
  if (!S_ISREG(status.st_mode)) return false;
  unsigned char head[6] = {};
  ssize_t n = ::pread(file.get(), head, sizeof head, 0);
  // gzip, zstd, xz, bzip2: what inflate() knows or refuses.
  return n < 4 || !((head[0] == 0x1f && head[1] == 0x8b) || (head[0] == 0x28 && head[1] == 0xb5) ||
                    (head[0] == 0xfd && head[1] == '7') || (head[0] == 'B' && head[1] == 'Z'));
}

// Members are looked up at any place and read by several threads, so the archive must be a plain
// file: a compressed one, or a pipe, is written out first.
Fd spool(Fd source, const LayerStore& store) {
  Fd file = store.temporary_file();
  FileStream raw(std::move(source), FileStream::Kind::pipe);
  auto plain = inflate(raw);
  for (;;) {
    std::string_view piece = plain->next();
    if (piece.empty()) return file;
    write_all(file.get(), piece);
  }
}

std::unique_ptr<BlobSource> open_source(Fd source, const LayerStore& store) {
  struct stat status{};
  if (::fstat(source.get(), &status) != 0) throw Error::from_errno("fstat");
  if (S_ISDIR(status.st_mode)) return std::make_unique<DirectorySource>(std::move(source));
  if (!is_plain_file(source)) source = spool(std::move(source), store);
  return std::make_unique<ArchiveSource>(std::move(source));
}

class LayerLoader {
 public:
  LayerLoader(BlobSource& source, LayerStore& store) : source_(source), store_(store) {}
  void add(const SourceLayer& layer) {
    if (sizes_.try_emplace(layer.chain_id, 0).second) layers_.push_back(layer);
  }
  void run();
  [[nodiscard]] int64_t size(const std::string& chain_id) const { return sizes_.at(chain_id); }

 private:
  Task<> drive(LoopThread& thread);
  void work();
  void unpack(const SourceLayer& layer);

  BlobSource& source_;
  LayerStore& store_;
  std::vector<SourceLayer> layers_;
  std::map<std::string, int64_t> sizes_;  // each thread writes entries of its own
  std::atomic<size_t> next_ = 0;
};

void LayerLoader::unpack(const SourceLayer& layer) {
  sizes_.at(layer.chain_id) = store_.add(layer.chain_id, [&](LayerPlace place) {
    auto blob = source_.open(layer.path);
    return unpack_layer(*blob, {layer.diff_id, layer.digest, layer.size}, place,
                        LayerLimits::from_environment(), possible_ownership());
  });
}

void LayerLoader::work() {
  for (;;) {
    size_t mine = next_.fetch_add(1);
    if (mine >= layers_.size()) return;
    try {
      unpack(layers_[mine]);
    } catch (...) {
      next_.store(layers_.size());  // the others finish what they have begun
      throw;
    }
  }
}

Task<> LayerLoader::drive(LoopThread& thread) {
  co_await thread.run([this] { work(); });
}

void LayerLoader::run() {
  size_t wanted =
      std::min<size_t>({layers_.size(), kMaxThreads,
                        static_cast<size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)))});
  if (wanted < 2) return work();
  asio::io_context loop(1);
  std::list<LoopThread> threads;
  std::exception_ptr failure;
  for (size_t i = 0; i < wanted; ++i) {
    LoopThread& thread = threads.emplace_back("unpack");
    asio::co_spawn(loop, drive(thread), [&failure](const std::exception_ptr& error) {
      if (error && !failure) failure = error;
    });
  }
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<LoadedImage> load_images(Fd source, LayerStore& store, const DocumentStore& documents,
                                     const Platform& platform) {
  store.remove_stale();
  auto blobs = open_source(std::move(source), store);
  std::vector<SourceImage> images = read_source(*blobs, platform);
  LayerLoader loader(*blobs, store);
  for (const SourceImage& image : images) {
    for (const SourceLayer& layer : image.layers) loader.add(layer);
  }
  loader.run();
  std::vector<LoadedImage> out;
  for (const SourceImage& image : images) {
    documents.keep(image.config_digest.substr(7), image.config);
    if (!image.image_manifest.empty())
      documents.keep(image.image_manifest.substr(7), image.image_manifest_text);
    std::vector<int64_t> sizes;
    for (const SourceLayer& layer : image.layers) sizes.push_back(loader.size(layer.chain_id));
    out.push_back(loaded_image(image, sizes));
  }
  return out;
}

}  // namespace pcompose::engine
