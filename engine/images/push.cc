#include "engine/images/push.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/loop.h"
#include "engine/images/bounds.h"
#include "engine/images/manifest_writer.h"
#include "engine/images/packed_layer.h"
#include "engine/images/registry/certificates.h"
#include "engine/images/registry/upload.h"

namespace pcompose::engine {
namespace {

constexpr size_t kChunk = 4U << 20U;  // is in memory twice for each layer
constexpr int kAttempts = 5;
constexpr auto kWait = std::chrono::milliseconds(300);

class Pusher {
 public:
  Pusher(asio::any_io_executor executor, const PushRequest& request,
         const CertificatesOf& certificates, LayerStore& layers, const DocumentStore& documents,
         PullReport& report)
      : transfers_(executor, request.proxies),
        certificates_(certificates),
        store_(layers),
        documents_(documents),
        report_(report),
        slot_free_(executor) {
    for (int i = 0; i < kLayersAtOnce; ++i) idle_.push_back(&threads_.emplace_back("pack"));
  }

  Task<> push(const PushImage& image, size_t index);

 private:
  using State = LayerProgress::State;
  using Shared = std::shared_ptr<Repository>;

  Task<LoadedImage> push_to(const PushImage& image);
  Task<> push_layer(Shared repository, const PushImage& image, const StoredLayer& layer,
                    LayerBlob& out);
  Task<bool> find_there(Shared repository, const StoredLayer& layer, LayerBlob& out);
  Task<std::unique_ptr<Upload>> begin(Shared repository, const PushImage& image,
                                      const StoredLayer& layer);
  Task<LayerBlob> send(LoopThread& thread, const StoredLayer& layer, Upload& upload);
  Task<> send_chunk(LoopThread& thread, PackedLayer& packed, Upload& upload, std::string& chunk);
  Task<std::string> send_manifest(Shared repository, const PushImage& image,
                                  const std::vector<LayerBlob>& layers);
  std::string document(const std::string& digest) const;
  ManifestText manifest_for(const StoredImage& image, const std::vector<LayerBlob>& layers) const;

  Transfers transfers_;
  const CertificatesOf& certificates_;
  LayerStore& store_;
  const DocumentStore& documents_;
  PullReport& report_;
  Event slot_free_;
  std::list<LoopThread> threads_;
  std::list<LoopThread*> idle_;
};

Task<> Pusher::push(const PushImage& image, size_t index) {
  PulledImage out;
  try {
    out.image = co_await push_to(image);
    out.outcome = PulledImage::Outcome::pulled;
    out.reference = image.target.shown + "/" + image.target.path + ":" + image.tag;
  } catch (const Error& e) {
    out.error = e.message();
    out.hint = e.hint();
  } catch (const std::exception& e) {
    out.error = e.what();
  }
  out.index = index;
  report_.image(out);
}

Task<LoadedImage> Pusher::push_to(const PushImage& image) {
  auto found = certificates_.find(image.target.host);
  auto repository = std::make_shared<Repository>(
      transfers_, image.target, found == certificates_.end() ? TlsFiles() : found->second,
      Access::push);
  for (const std::string& other : image.others) repository->also_reads(other);
  const auto& layers = image.image.layers;
  std::vector<LayerBlob> blobs(layers.size());
  std::map<std::string, size_t> first;  // an image may have a layer twice
  {
    TaskGroup group(co_await asio::this_coro::executor);
    for (size_t i = 0; i < layers.size(); ++i) {
      if (first.try_emplace(layers[i].diff_id, i).second)
        group.spawn(push_layer(repository, image, layers[i], blobs[i]));
    }
    co_await group.join();
  }
  LoadedImage out;
  for (size_t i = 0; i < layers.size(); ++i) {
    blobs[i] = blobs[first.at(layers[i].diff_id)];
    out.layers.push_back({layers[i].chain_id, layers[i].diff_id, 0, blobs[i]});
  }
  out.config_digest = image.image.config_digest;
  out.manifest = co_await send_manifest(repository, image, blobs);
  co_return out;
}

// One of the blobs that the layer is known by.
Task<bool> Pusher::find_there(Shared repository, const StoredLayer& layer, LayerBlob& out) {
  for (const LayerBlob& blob : layer.blobs) {
    if (!co_await has_blob(*repository, blob.digest)) continue;
    out = blob;
    co_return true;
  }
  co_return false;
}

// nullptr where the registry took the layer's first blob from another repository.
Task<std::unique_ptr<Upload>> Pusher::begin(Shared repository, const PushImage& image,
                                            const StoredLayer& layer) {
  Upload::Mount mount;
  if (!image.others.empty() && !layer.blobs.empty())
    mount = {layer.blobs.front().digest, image.others.front()};
  co_return co_await Upload::begin(*repository, std::move(mount));
}

Task<> Pusher::push_layer(Shared repository, const PushImage& image, const StoredLayer& layer,
                          LayerBlob& out) {
  report_.state(layer.diff_id, 0, State::waiting);
  if (co_await find_there(repository, layer, out)) {
    report_.state(layer.diff_id, out.size, State::present);
    co_return;
  }
  while (idle_.empty()) co_await slot_free_.wait();
  struct GiveBack {
    Pusher& pusher;
    LoopThread* thread;
    ~GiveBack() {
      pusher.idle_.push_back(thread);
      pusher.slot_free_.pulse();
    }
  } slot{*this, idle_.front()};
  idle_.pop_front();
  for (int i = 1;; ++i) {
    try {
      auto upload = co_await begin(repository, image, layer);
      out = upload ? co_await send(*slot.thread, layer, *upload) : layer.blobs.front();
      report_.state(layer.diff_id, out.size, upload ? State::done : State::present);
      co_return;
    } catch (const UploadLost&) {
      if (i == kAttempts) throw;
    }
    co_await sleep_for(kWait * i);
  }
}

// Sends a chunk and meanwhile makes the next one of the same string.
Task<> Pusher::send_chunk(LoopThread& thread, PackedLayer& packed, Upload& upload,
                          std::string& chunk) {
  std::string next;
  auto fill = [&]() -> Task<> { next = co_await thread.run([&] { return packed.chunk(kChunk); }); };
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(fill());
  std::exception_ptr failure;
  try {
    co_await upload.send(chunk);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await group.join();  // it writes to `next`
  if (failure) std::rethrow_exception(failure);
  chunk = std::move(next);
}

Task<LayerBlob> Pusher::send(LoopThread& thread, const StoredLayer& layer, Upload& upload) {
  auto packed = co_await thread.run(
      [&] { return std::make_shared<PackedLayer>(store_, layer.chain_id, layer.diff_id); });
  report_.state(layer.diff_id, packed->size(), State::downloading);
  std::string chunk = co_await thread.run([&] { return packed->chunk(kChunk); });
  while (!chunk.empty()) {
    co_await send_chunk(thread, *packed, upload, chunk);
    report_.received(layer.diff_id, packed->packed());
  }
  LayerBlob blob = packed->blob();
  co_await upload.finish(blob.digest);
  co_return blob;
}

std::string Pusher::document(const std::string& digest) const {
  if (auto text = documents_.find(digest.substr(7))) return *text;
  throw Error("the store lacks the document " + digest).hint("pull or load the image again");
}

// As it came, where the registry has what it names.
ManifestText Pusher::manifest_for(const StoredImage& image,
                                  const std::vector<LayerBlob>& layers) const {
  Dialect dialect = Dialect::oci;
  for (const std::string& digest : image.manifests) {
    auto text = documents_.find(digest.substr(7));
    if (!text) continue;
    KnownManifest known = KnownManifest::read(*text);
    if (known.is_about(image.config_digest, layers)) return known.manifest;
    dialect = known.dialect();
  }
  auto size = static_cast<int64_t>(document(image.config_digest).size());
  // Docker's schema has no zstd.
  bool zstd = std::ranges::any_of(
      layers, [](const LayerBlob& l) { return packing_of(l.media_type) == Packing::zstd; });
  return write_manifest(zstd ? Dialect::oci : dialect, {image.config_digest, size, ""}, layers);
}

Task<std::string> Pusher::send_manifest(Shared repository, const PushImage& image,
                                        const std::vector<LayerBlob>& layers) {
  co_await put_document(*repository, image.image.config_digest,
                        document(image.image.config_digest));
  ManifestText manifest = manifest_for(image.image, layers);
  co_return co_await put_manifest(*repository, image.tag, manifest.media_type, manifest.text);
}

Task<> push_all(Pusher& pusher, const PushRequest& request) {
  TaskGroup group(co_await asio::this_coro::executor);
  size_t index = 0;
  for (const PushImage& image : request.images) group.spawn(pusher.push(image, index++));
  co_await group.join();
}

}  // namespace

CertificatesOf read_all_certificates(const PushRequest& request) {
  CertificatesOf out;
  for (const PushImage& image : request.images) {
    const std::string& host = image.target.host;
    if (!out.contains(host)) out[host] = read_certificates(request.certificate_directories, host);
  }
  return out;
}

void push_images(const PushRequest& request, const CertificatesOf& certificates, LayerStore& layers,
                 const DocumentStore& documents, PullReport& report) {
  asio::io_context loop(1);
  Pusher pusher(loop.get_executor(), request, certificates, layers, documents, report);
  std::exception_ptr failure;
  asio::co_spawn(loop, push_all(pusher, request),
                 [&failure](const std::exception_ptr& error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace pcompose::engine
