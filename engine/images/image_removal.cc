// Names, images and layers that nobody needs any more.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images.h"
#include "engine/images/bounds.h"
#include "engine/images/image_rows.h"
#include "engine/images/reference.h"
#include "engine/images/report.h"
#include "engine/images/store_lock.h"

namespace pcompose::engine {
namespace {

Error in_use_error(const std::string& reference, const std::string& container) {
  return Error(fmt::format("the image {} is in use by the container {}", reference, container))
      .hint("remove the container first (down), or take the name alone away with --force");
}

std::set<std::string> column(Database& db, const char* sql) {
  std::set<std::string> out;
  SQLite::Statement query(db.get(), sql);
  while (query.executeStep()) out.insert(query.getColumn(0).getString());
  return out;
}

// Layers that have no row: renamed first, so that nothing half removed looks complete.
void remove_layers(const std::string& state, const std::set<std::string>& known) {
  Fd layers(::open((state + "/layers").c_str(), kDirectory));
  if (!layers) return;
  for (const std::string& name : directory_entries(layers.get())) {
    if (known.contains(name)) continue;
    // Nobody adds, so whoever began it is dead.
    if (name.starts_with(".tmp-")) remove_tree(layers.get(), name);
    if (!is_hex(name, 64)) continue;
    std::string gone = ".tmp-" + name;
    remove_tree(layers.get(), gone);
    if (::renameat(layers.get(), name.c_str(), layers.get(), gone.c_str()) != 0)
      throw Error::from_errno("remove the layer " + name);
    remove_tree(layers.get(), gone);
  }
}

void remove_files(const std::string& directory, const std::set<std::string>& known) {
  Fd fd(::open(directory.c_str(), kDirectory));
  if (!fd) return;
  for (const std::string& name : directory_entries(fd.get())) {
    if (known.contains(name)) continue;
    if (::unlinkat(fd.get(), name.c_str(), 0) != 0 && errno != ENOENT)
      throw Error::from_errno("remove " + directory + "/" + name);
  }
}

}  // namespace

void ImageStore::tag(const std::string& reference, const std::string& name) {
  auto image = find(reference);
  if (!image) throw Error("no such image: " + reference);
  Reference wanted = parse_reference(name);
  if (!wanted.digest.empty()) throw Error("a name of one's own cannot have a digest: " + name);
  std::string manifest;
  if (!is_hex(reference, reference.size())) manifest = this->manifest(reference);
  DurableCommits durable(db_);
  Transaction transaction(db_);
  insert_tag(db_, wanted.str(), image->id, manifest);
  transaction.commit();
}

void ImageStore::untag(const std::string& reference, Removal& out) {
  for (const char* sql :
       {"DELETE FROM image_tags WHERE reference=?", "DELETE FROM image_pulls WHERE reference=?",
        "DELETE FROM image_short_names WHERE reference=?"}) {
    SQLite::Statement remove(db_.get(), sql);
    remove.bind(1, reference);
    remove.exec();
  }
  out.untagged.push_back(familiar_reference(reference));
}

void ImageStore::erase(const std::string& id, Removal& out) {
  for (const std::string& name : names(id)) untag(name, out);
  SQLite::Statement remove(db_.get(), "DELETE FROM images WHERE id=?");
  remove.bind(1, id);
  remove.exec();
  out.deleted.push_back("sha256:" + id);
}

// Rows before directories: a row must never be about nothing.
void ImageStore::reclaim(Removal& out) {
  auto lock = StoreLock::try_exclusive(state_);
  out.layers_left = !lock;
  if (!lock) return;
  {
    Transaction transaction(db_);
    constexpr const char* kUnused = "chain_id NOT IN (SELECT chain_id FROM image_layers)";
    SQLite::Statement sum(db_.get(),
                          fmt::format("SELECT total(size) FROM layers WHERE {}", kUnused));
    if (sum.executeStep()) out.freed += static_cast<int64_t>(sum.getColumn(0).getDouble());
    sum.reset();
    db_.get().exec(fmt::format("DELETE FROM layers WHERE {}", kUnused));
    db_.get().exec("DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)");
    transaction.commit();
  }
  remove_layers(state_, column(db_, "SELECT chain_id FROM layers"));
  remove_files(links_, column(db_, "SELECT link FROM layers"));
  remove_files(state_ + "/documents",
               column(db_, "SELECT id FROM images UNION SELECT digest FROM image_manifests"));
}

std::string ImageStore::stored_name(const std::string& written) {
  std::string name = normalise_reference(written);
  SQLite::Statement query(db_.get(),
                          "SELECT reference FROM image_short_names WHERE written=?1 AND NOT EXISTS "
                          "(SELECT 1 FROM image_tags WHERE reference=?1)");
  query.bind(1, name);
  return query.executeStep() ? query.getColumn(0).getString() : name;
}

Removal ImageStore::remove(const std::string& reference, const ImagesInUse& in_use, Force force) {
  auto image = find(reference);
  if (!image) throw Error("no such image: " + reference);
  std::string name, digits = reference.starts_with("sha256:") ? reference.substr(7) : reference;
  std::vector<std::string> all = names(image->id);
  bool by_id = is_hex(digits, digits.size()) && image->id.starts_with(digits);
  // A name wins over an id, as in find().
  if (!by_id || std::ranges::find(all, stored_name(reference)) != all.end())
    name = stored_name(reference);
  if (by_id && name.empty() && all.size() > 1 && force == Force::no) {
    throw Error(fmt::format("the image {} has {} names", reference, all.size()))
        .hint("remove them one by one, or all with --force");
  }
  bool last = name.empty() || all.size() <= 1;
  auto user = in_use.find(image->id);
  if (last && user != in_use.end() && force == Force::no)
    throw in_use_error(reference, user->second);
  Removal out;
  {
    DurableCommits durable(db_);
    Transaction transaction(db_);
    if (last && user == in_use.end()) {
      erase(image->id, out);
    } else if (name.empty()) {
      for (const std::string& each : all) untag(each, out);
    } else {
      untag(name, out);
    }
    transaction.commit();
  }
  if (!out.deleted.empty()) reclaim(out);
  return out;
}

Removal ImageStore::prune(const ImagesInUse& in_use, Prune what) {
  Removal out;
  {
    DurableCommits durable(db_);
    Transaction transaction(db_);
    for (const std::string& id : column(db_, "SELECT id FROM images")) {
      if (in_use.contains(id)) continue;
      if (what == Prune::untagged && !names(id).empty()) continue;
      erase(id, out);
    }
    transaction.commit();
  }
  reclaim(out);
  return out;
}

}  // namespace pcompose::engine
