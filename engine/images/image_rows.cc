#include "engine/images/image_rows.h"

#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

void insert_layer(Database& db, const LoadedLayer& layer) {
  SQLite::Statement insert(db.get(),
                           "INSERT INTO layers(chain_id, diff_id, link, size) VALUES(?,?,?,?) "
                           "ON CONFLICT(chain_id) DO UPDATE SET size=excluded.size");
  insert.bind(1, layer.chain_id);
  insert.bind(2, layer.diff_id);
  insert.bind(3, link_name(layer.chain_id));
  insert.bind(4, layer.size);
  insert.exec();
  if (!layer.blob.digest.empty()) insert_layer_blob(db, layer.diff_id, layer.blob);
}

void insert_manifest(Database& db, const std::string& image, const std::string& digest) {
  SQLite::Statement insert(db.get(),
                           "INSERT OR IGNORE INTO image_manifests(image, digest) VALUES(?,?)");
  insert.bind(1, image);
  insert.bind(2, digest.substr(7));
  insert.exec();
}

}  // namespace

void insert_layer_blob(Database& db, const std::string& diff_id, const LayerBlob& blob) {
  SQLite::Statement insert(
      db.get(),
      "INSERT OR REPLACE INTO layer_blobs(diff_id, digest, size, media_type) VALUES(?,?,?,?)");
  insert.bind(1, diff_id);
  insert.bind(2, blob.digest);
  insert.bind(3, blob.size);
  insert.bind(4, blob.media_type);
  insert.exec();
}

void insert_image(Database& db, const std::string& id, const LoadedImage& image) {
  ImageDocument document = parse_image_document(image.config);
  int64_t size = 0;
  for (const LoadedLayer& layer : image.layers) size += layer.size;
  SQLite::Statement insert(
      db.get(),
      "INSERT INTO images(id, config_json, size, created, architecture) VALUES(?,?,?,?,?) "
      "ON CONFLICT(id) DO UPDATE SET config_json=excluded.config_json, size=excluded.size");
  insert.bind(1, id);
  insert.bind(2, document.config_json);
  insert.bind(3, size);
  insert.bind(4, document.created);
  insert.bind(5, document.architecture);
  insert.exec();
  if (!image.image_manifest.empty()) insert_manifest(db, id, image.image_manifest);
  for (size_t i = 0; i < image.layers.size(); ++i) {
    insert_layer(db, image.layers[i]);
    SQLite::Statement link(db.get(),
                           "INSERT OR REPLACE INTO image_layers(image, position, chain_id) "
                           "VALUES(?,?,?)");
    link.bind(1, id);
    link.bind(2, static_cast<int64_t>(i));
    link.bind(3, image.layers[i].chain_id);
    link.exec();
  }
}

void insert_tag(Database& db, const std::string& reference, const std::string& id,
                const std::string& manifest) {
  SQLite::Statement insert(
      db.get(), "INSERT OR REPLACE INTO image_tags(reference, image_id, manifest) VALUES(?,?,?)");
  insert.bind(1, reference);
  insert.bind(2, id);
  insert.bind(3, manifest);
  insert.exec();
}

}  // namespace pcompose::engine
