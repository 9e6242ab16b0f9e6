#include <fcntl.h>
#include <filesystem>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images.h"
#include "engine/images/config.h"
#include "engine/images/image_rows.h"
#include "engine/images/reference.h"
#include "engine/images/report.h"
#include "engine/images/store_lock.h"
#include "engine/images/worker.h"

namespace pcompose::engine {
namespace {

constexpr int kVersion = 3;
constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS images(
    id TEXT PRIMARY KEY, config_json TEXT NOT NULL, size INTEGER NOT NULL, created TEXT NOT NULL,
    architecture TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS layers(
    chain_id TEXT PRIMARY KEY, diff_id TEXT NOT NULL, link TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS image_layers(
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE, position INTEGER NOT NULL,
    chain_id TEXT NOT NULL REFERENCES layers(chain_id), PRIMARY KEY(image, position)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS image_layers_chain_id ON image_layers(chain_id);
  CREATE TABLE IF NOT EXISTS image_tags(
    reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    manifest TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS image_tags_image ON image_tags(image_id);
  CREATE TABLE IF NOT EXISTS image_short_names(
    written TEXT PRIMARY KEY, reference TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS image_pulls(
    reference TEXT PRIMARY KEY, checked INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS image_manifests(
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE, digest TEXT NOT NULL,
    PRIMARY KEY(image, digest)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS layer_blobs(
    diff_id TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL,
    PRIMARY KEY(diff_id, digest)) WITHOUT ROWID;
)";

// The id of the image that a query with one text parameter finds, where it finds one only.
std::optional<std::string> single_id(Database& db, const char* sql, const std::string& value,
                                     const std::string& second = "") {
  SQLite::Statement query(db.get(), sql);
  query.bind(1, value);
  if (query.getBindParameterCount() > 1) query.bind(2, second);
  if (!query.executeStep()) return std::nullopt;
  std::string id = query.getColumn(0).getString();
  if (query.executeStep()) return std::nullopt;
  return id;
}

std::optional<std::string> id_of_reference(Database& db, const Reference& reference) {
  if (reference.digest.empty()) {
    std::string name = reference.str();
    if (auto id = single_id(db, "SELECT image_id FROM image_tags WHERE reference=?", name))
      return id;
    // Where registries are searched, a name without one stands for what was found.
    return single_id(db,
                     "SELECT image_id FROM image_tags JOIN image_short_names USING(reference) "
                     "WHERE written=?",
                     name);
  }
  // As docker: where there is a digest it decides, and the tag is a remark.
  std::string name = reference.name();
  return single_id(db,
                   "SELECT DISTINCT image_id FROM image_tags WHERE manifest=?1 AND "
                   "(substr(reference, 1, length(?2) + 1) IN (?2 || ':', ?2 || '@'))",
                   reference.digest, name);
}

std::optional<std::string> id_of_prefix(Database& db, std::string text) {
  if (text.starts_with("sha256:")) text.erase(0, 7);
  if (text.size() < 4 || text.size() > 64 || !is_hex(text, text.size())) return std::nullopt;
  // Hexadecimal digits only, so 'g' is behind every id that begins with the prefix.
  return single_id(db, "SELECT id FROM images WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", text);
}

// "/srv/web.tar.gz" -> "web": what an image is called whose source does not say.
std::string name_of_source(const std::string& source) {
  std::string path = source;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::string name = std::filesystem::path(path).filename();
  if (name == "." || name == "..") name = std::filesystem::canonical(path).filename();
  for (std::string_view end : {".gz", ".tgz", ".zst", ".tar", ".oci"}) {
    if (name.ends_with(end) && name.size() > end.size()) name.resize(name.size() - end.size());
  }
  return name;
}

std::vector<std::string> names_of(const LoadedImage& image, const std::string& source) {
  std::vector<std::string> out;
  for (const std::string& written : image.references) {
    bool bare_tag = written.empty() || written.starts_with(':');
    try {
      out.push_back(normalise_reference(bare_tag ? name_of_source(source) + written : written));
    } catch (Error& e) {
      throw e.hint("give the image a name of your own");
    }
  }
  return out;
}

std::vector<LoadedImage> run_worker(const Fd& source, const Roots& roots) {
  struct Reader final : ReportReader {
    std::vector<LoadedImage> images;
    void loaded(LoadedImage&& image) override { images.push_back(std::move(image)); }
  } reader;
  run_image_worker("load", source, roots, reader);
  return std::move(reader.images);
}

}  // namespace

ImageStore::ImageStore(Database& db, const Roots& roots)
    : db_(db), roots_(roots), state_(roots.state), links_(roots.state + "/l") {
  db_.ensure_schema("images", kVersion, kSchema);
}

std::optional<Image> ImageStore::by_id(const std::string& id) {
  SQLite::Statement query(db_.get(),
                          "SELECT config_json, size, created, architecture FROM images WHERE id=?");
  query.bind(1, id);
  if (!query.executeStep()) return std::nullopt;
  Image image;
  image.id = id;
  image.config =
      parse_image_config(parse_json(query.getColumn(0).getString(), "a row of the image store"));
  image.size = query.getColumn(1).getInt64();
  image.created = query.getColumn(2).getString();
  image.architecture = query.getColumn(3).getString();
  SQLite::Statement layers(db_.get(),
                           "SELECT link FROM image_layers JOIN layers USING(chain_id) "
                           "WHERE image=? ORDER BY position DESC");
  layers.bind(1, id);
  while (layers.executeStep()) image.layers.push_back(layers.getColumn(0).getString());
  return image;
}

std::optional<Image> ImageStore::find(const std::string& reference) {
  bool id_only = is_hex(reference, 64) || reference.starts_with("sha256:");
  std::optional<std::string> id;
  // A name wins over an id that begins with it, as it does with docker.
  if (!id_only) id = id_of_reference(db_, parse_reference(reference));
  if (!id) id = id_of_prefix(db_, reference);
  return id ? by_id(*id) : std::nullopt;
}

std::vector<ImageTag> ImageStore::tags() {
  std::vector<ImageTag> out;
  SQLite::Statement query(db_.get(),
                          "SELECT reference, image_id FROM image_tags ORDER BY reference");
  while (query.executeStep())
    out.push_back({query.getColumn(0).getString(), query.getColumn(1).getString()});
  return out;
}

std::vector<std::string> ImageStore::load(const std::string& source, const std::string& name) {
  try {
    return load(open_file(source, O_RDONLY), source, name);
  } catch (Error& e) {
    throw e.add("load " + source);
  }
}

std::vector<std::string> ImageStore::load(const Fd& fd, const std::string& source,
                                          const std::string& name, PullListener* listener) {
  std::string given = name.empty() ? "" : normalise_reference(name);
  StoreLock lock(state_, StoreLock::Kind::shared);
  std::vector<LoadedImage> images = run_worker(fd, roots_);
  if (!given.empty() && images.size() != 1) {
    throw Error(fmt::format("it holds {} images, so they cannot all be {}", images.size(),
                            familiar_reference(given)));
  }
  std::vector<std::string> references;
  DurableCommits durable(db_);  // a row must not be lost whose layer survived
  Transaction transaction(db_);
  for (const LoadedImage& image : images) {
    std::string id = image.config_digest.substr(7);
    auto names = given.empty() ? names_of(image, source) : std::vector<std::string>{given};
    insert_image(db_, id, image);
    for (const std::string& digest : image.skipped) {
      if (listener != nullptr) listener->layer(digest, PullListener::LayerState::skipped, 0, 0);
    }
    for (const std::string& each : names) insert_tag(db_, each, id, image.manifest);
    if (names.empty()) names.push_back(image.config_digest);
    references.insert(references.end(), names.begin(), names.end());
  }
  transaction.commit();
  return references;
}

}  // namespace pcompose::engine
