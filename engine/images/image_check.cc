// Whether rows and disk agree about images.
#include <fcntl.h>
#include <map>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/sha256.h"
#include "engine/images.h"
#include "engine/images/bounds.h"
#include "engine/images/reference.h"
#include "engine/images/report.h"
#include "engine/images/store_lock.h"

namespace pcompose::engine {
namespace {

constexpr const char* kPrune = "pcompose system prune removes it";

std::set<std::string> names_in(const std::string& path) {
  Fd directory(::open(path.c_str(), kDirectory));
  if (!directory) return {};
  std::vector<std::string> names = directory_entries(directory.get());
  return {names.begin(), names.end()};
}

// Whether nobody holds the lock that whoever writes it has.
bool is_abandoned(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

class Check {
 public:
  Check(Database& db, std::string state) : db_(db), state_(std::move(state)) {}

  std::vector<StoreFault> run() {
    // Nobody adds: whatever has no row now is nobody's.
    auto lock = StoreLock::try_exclusive(state_);
    quiet_ = lock.has_value();
    layers();
    documents();
    return std::move(faults_);
  }

 private:
  void fault(std::string what, std::string cure) {
    faults_.push_back({std::move(what), std::move(cure)});
  }
  void layer(const std::string& chain_id, const std::string& link);
  void layers();
  void documents();
  std::string users(const std::string& chain_id);

  Database& db_;
  std::string state_;
  bool quiet_ = false;
  std::vector<StoreFault> faults_;
};

// "nginx:1, …": what does not work without the layer.
std::string Check::users(const std::string& chain_id) {
  SQLite::Statement query(db_.get(),
                          "SELECT reference FROM image_tags JOIN image_layers ON image=image_id "
                          "WHERE chain_id=? ORDER BY reference");
  query.bind(1, chain_id);
  std::string out;
  while (query.executeStep())
    out += (out.empty() ? "" : ", ") + familiar_reference(query.getColumn(0).getString());
  return out.empty() ? "an image without a name" : out;
}

void Check::layer(const std::string& chain_id, const std::string& link) {
  std::string path = state_ + "/layers/" + chain_id;
  std::string cure = "remove and pull " + users(chain_id);
  struct stat status{}, through{};
  for (const char* part : {"/diff", "/layer.json"}) {
    if (::lstat((path + part).c_str(), &status) != 0)
      return fault(fmt::format("the layer {:.12} has no {}", chain_id, part + 1), cure);
  }
  bool linked = ::stat((path + "/diff").c_str(), &status) == 0 &&
                ::stat((state_ + "/l/" + link).c_str(), &through) == 0 &&
                status.st_ino == through.st_ino && status.st_dev == through.st_dev;
  if (!linked)
    fault(fmt::format("the layer {:.12} is not to be had by its short name", chain_id), cure);
}

void Check::layers() {
  std::set<std::string> known, links;
  SQLite::Statement rows(db_.get(), "SELECT chain_id, link FROM layers ORDER BY chain_id");
  while (rows.executeStep()) {
    known.insert(rows.getColumn(0).getString());
    links.insert(rows.getColumn(1).getString());
    layer(rows.getColumn(0).getString(), rows.getColumn(1).getString());
  }
  for (const std::string& name : names_in(state_ + "/layers")) {
    if (known.contains(name)) continue;
    bool unfinished = name.starts_with(".tmp-");
    if (unfinished && is_abandoned(state_ + "/layers/" + name))
      fault(fmt::format("a layer was begun and never finished: {}", name.substr(5, 12)), kPrune);
    if (!unfinished && quiet_) fault(fmt::format("no image has the layer {:.12}", name), kPrune);
  }
  for (const std::string& name : names_in(state_ + "/l")) {
    if (quiet_ && !links.contains(name)) fault("no layer has the short name " + name, kPrune);
  }
}

void Check::documents() {
  std::map<std::string, std::string> wanted;  // digest -> what it is
  SQLite::Statement images(db_.get(),
                           "SELECT id, 'configuration' FROM images UNION "
                           "SELECT digest, 'manifest' FROM image_manifests");
  while (images.executeStep())
    wanted[images.getColumn(0).getString()] = images.getColumn(1).getString();
  std::set<std::string> there = names_in(state_ + "/documents");
  for (const auto& [digest, kind] : wanted) {
    std::string path = state_ + "/documents/" + digest;
    bool whole = there.contains(digest) && sha256_hex(read_file(path)) == digest;
    if (!whole)
      fault(fmt::format("the {} {:.12} is missing or damaged", kind, digest),
            "remove its image and pull it again");
  }
  for (const std::string& name : there) {
    bool abandoned = !name.starts_with(".tmp-") || is_abandoned(state_ + "/documents/" + name);
    if (quiet_ && abandoned && !wanted.contains(name))
      fault(fmt::format("no image has the document {:.17}", name), kPrune);
  }
}

}  // namespace

std::vector<StoreFault> ImageStore::check() { return Check(db_, state_).run(); }

std::vector<LayerUse> ImageStore::layers() {
  std::vector<LayerUse> out;
  SQLite::Statement query(db_.get(),
                          "SELECT chain_id, layers.size, image FROM layers LEFT JOIN image_layers "
                          "USING(chain_id) ORDER BY chain_id");
  while (query.executeStep()) {
    std::string chain_id = query.getColumn(0).getString();
    if (out.empty() || out.back().chain_id != chain_id)
      out.push_back({chain_id, query.getColumn(1).getInt64(), {}});
    if (!query.getColumn(2).isNull()) out.back().images.insert(query.getColumn(2).getString());
  }
  return out;
}

}  // namespace pcompose::engine
