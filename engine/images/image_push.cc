// Pushing and saving, from the side that knows the rows.
#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/chrono.h>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/images.h"
#include "engine/images/config.h"
#include "engine/images/image_changes.h"
#include "engine/images/image_rows.h"
#include "engine/images/import.h"
#include "engine/images/push_request.h"
#include "engine/images/reference.h"
#include "engine/images/registries.h"
#include "engine/images/report.h"
#include "engine/images/store_lock.h"
#include "engine/images/transfer_setup.h"
#include "engine/images/worker.h"

namespace pcompose::engine {
namespace {

std::vector<LayerBlob> blobs_of(Database& db, const std::string& diff_id) {
  SQLite::Statement query(db.get(),
                          "SELECT digest, size, media_type FROM layer_blobs WHERE diff_id=?");
  query.bind(1, diff_id);
  std::vector<LayerBlob> out;
  while (query.executeStep()) {
    out.push_back({query.getColumn(0).getString(), query.getColumn(1).getInt64(),
                   query.getColumn(2).getString()});
  }
  return out;
}

// Repositories of `domain` that an image with a layer of this one was pulled from or pushed to.
std::vector<std::string> repositories_with(Database& db, const std::string& image,
                                           const Reference& target) {
  SQLite::Statement query(db.get(),
                          "SELECT DISTINCT reference FROM image_tags JOIN image_pulls "
                          "USING(reference) WHERE image_id IN "
                          "(SELECT image FROM image_layers WHERE chain_id IN "
                          "(SELECT chain_id FROM image_layers WHERE image=?))");
  query.bind(1, image);
  std::vector<std::string> out;
  while (query.executeStep()) {
    Reference known = parse_reference(query.getColumn(0).getString());
    if (known.domain == target.domain && known.path != target.path) out.push_back(known.path);
  }
  std::ranges::sort(out);
  auto [begin, end] = std::ranges::unique(out);
  out.erase(begin, end);
  return out;
}

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

// What is left of an image whose other layers may not be distributed is not that image.
void require_whole(const std::string& state, const std::string& reference,
                   const StoredImage& image) {
  std::string file = state + "/documents/" + image.config_digest.substr(7);
  if (::access(file.c_str(), R_OK) != 0) return;
  size_t all = parse_image_document(read_file(file)).diff_ids.size();
  if (all == image.layers.size()) return;
  throw Error(fmt::format("{} of {} layers of {} may not be distributed, and are not here",
                          all - image.layers.size(), all, reference))
      .hint("copy the image from registry to registry: skopeo copy");
}

}  // namespace

StoredImage ImageStore::stored(const std::string& reference) {
  auto image = find(reference);
  if (!image) throw Error("no such image: " + reference).hint("pcompose image ls shows those here");
  StoredImage out;
  out.config_digest = "sha256:" + image->id;
  SQLite::Statement manifests(db_.get(), "SELECT digest FROM image_manifests WHERE image=?");
  manifests.bind(1, image->id);
  while (manifests.executeStep())
    out.manifests.push_back("sha256:" + manifests.getColumn(0).getString());
  SQLite::Statement layers(db_.get(),
                           "SELECT chain_id, diff_id FROM image_layers JOIN layers USING(chain_id) "
                           "WHERE image=? ORDER BY position");
  layers.bind(1, image->id);
  while (layers.executeStep()) {
    std::string diff_id = layers.getColumn(1).getString();
    out.layers.push_back({layers.getColumn(0).getString(), diff_id, blobs_of(db_, diff_id)});
  }
  require_whole(state_, reference, out);
  return out;
}

// The image's name that `reference` is; "" where it is an id: then it is saved without, as docker
// does it.
std::string ImageStore::name_meant(const std::string& reference, const std::string& id) {
  if (reference.starts_with("sha256:") || is_hex(reference, 64)) return "";
  std::string name = stored_name(reference);
  std::vector<std::string> all = names(id);
  return std::ranges::find(all, name) == all.end() ? "" : name;
}

std::vector<ImageResult> ImageStore::push(const std::vector<PushWish>& wishes,
                                          PullListener& listener) {
  Registries registries = Registries::read();
  Logins logins;
  PushRequest request{{}, find_proxies(), certificate_directories()};
  for (const PushWish& wish : wishes) {
    std::string destination =
        stored_name(wish.destination.empty() ? wish.reference : wish.destination);
    Reference target = parse_reference(destination);
    if (target.tag.empty())
      throw Error("push " + destination + ": a name with a digest alone cannot be pushed to")
          .hint("give it a tag");
    PushImage image{stored(wish.reference), registries.target(destination), target.tag, {}};
    image.target.credentials = logins.find(image.target.shown + "/" + image.target.path);
    image.others = repositories_with(db_, image.image.config_digest.substr(7), target);
    request.images.push_back(std::move(image));
  }
  StoreLock lock(state_, StoreLock::Kind::shared);  // its layers stay
  std::vector<ImageResult> results(wishes.size());
  TransferReader reader(listener, [&](PulledImage&& image) {
    if (image.index >= wishes.size())
      throw Error("the report of pcompose-images is about another image");
    results[image.index] = {image.index,         static_cast<ImageResult::Outcome>(image.outcome),
                            image.reference,     "",
                            image.error,         image.hint,
                            image.image.manifest};
    Transaction transaction(db_);
    for (const LoadedLayer& layer : image.image.layers)
      insert_layer_blob(db_, layer.diff_id, layer.blob);
    transaction.commit();
    listener.image(results[image.index]);
  });
  run_image_worker("push", memory_file("request", write_push_request(request)), roots_, reader);
  return results;
}

void ImageStore::save(const std::vector<std::string>& references, ArchiveFormat format,
                      const Fd& output) {
  SaveRequest request{{}, format};
  for (const std::string& reference : references) {
    StoredImage image = stored(reference);
    auto known =
        std::ranges::find(request.images, image.config_digest, &StoredImage::config_digest);
    if (known == request.images.end())
      known = request.images.insert(request.images.end(), std::move(image));
    std::string name = name_meant(reference, known->config_digest.substr(7));
    if (!name.empty()) known->references.push_back(name);
  }
  StoreLock lock(state_, StoreLock::Kind::shared);
  struct Nobody final : ReportReader {
  } reader;
  run_image_worker("save", memory_file("request", write_save_request(request)), roots_, reader,
                   output);
}

std::string ImageStore::import(const Fd& source, const ImportWish& wish) {
  Platform platform = wish.platform.empty() ? Platform::host() : Platform::parse(wish.platform);
  ImportRequest request{json::serialize(apply_image_changes(wish.changes)),
                        wish.message.empty() ? "imported" : wish.message,
                        now_text(),
                        platform.os,
                        platform.architecture,
                        platform.variant};
  std::string name = wish.name.empty() ? "" : normalise_reference(wish.name);
  StoreLock lock(state_, StoreLock::Kind::shared);
  struct Reader final : ReportReader {
    LoadedImage image;
    void loaded(LoadedImage&& loaded) override { image = std::move(loaded); }
  } reader;
  run_image_worker("import", source, roots_, reader,
                   memory_file("request", write_import_request(request)));
  std::string id = reader.image.config_digest.substr(7);
  DurableCommits durable(db_);
  Transaction transaction(db_);
  insert_image(db_, id, reader.image);
  if (!name.empty()) insert_tag(db_, name, id, "");
  transaction.commit();
  return id;
}

}  // namespace pcompose::engine
