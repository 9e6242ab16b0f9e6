#include "engine/images/layer_store.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/directory.h"
#include "base/error.h"
#include "base/json.h"
#include "engine/images/bounds.h"
#include "engine/images/config.h"
#include "engine/images/report.h"

namespace pcompose::engine {
namespace {

constexpr std::string_view kUnfinished = ".tmp-";
constexpr const char* kFacts = "layer.json";

Fd make_directory(int parent, const std::string& name, mode_t mode) {
  if (::mkdirat(parent, name.c_str(), mode) != 0 && errno != EEXIST)
    throw Error::from_errno("make the directory " + name);
  return open_at(parent, name, kDirectory);
}

// Whether `directory` still has that name: whoever held its lock before us may have renamed or
// removed it.
bool is_still(int directory, int parent, const std::string& name) {
  struct stat ours{}, named{};
  if (::fstat(directory, &ours) != 0) throw Error::from_errno("fstat");
  if (::fstatat(parent, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

// The lock is the descriptor's, so a killed process holds none (flock(2)).
void lock(int directory) {
  while (::flock(directory, LOCK_EX) != 0) {
    if (errno != EINTR) throw Error::from_errno("lock a layer");
  }
}

void write_facts(int directory, const UnpackedLayer& layer) {
  json::object facts{{"size", layer.bytes}, {"entries", layer.entries}};
  Fd file = open_at(directory, kFacts, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  write_all(file.get(), json::serialize(facts));
}

}  // namespace

LayerStore::LayerStore(const Fd& state)
    : layers_(make_directory(state.get(), "layers", 0700)),
      links_(make_directory(state.get(), "l", 0700)) {}

void LayerStore::remove_stale() {
  for (const std::string& name : directory_entries(layers_.get())) {
    if (!name.starts_with(kUnfinished)) continue;
    Fd directory(::openat(layers_.get(), name.c_str(), kDirectory | O_CLOEXEC));
    // A locked one is being written.
    if (!directory || ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (is_still(directory.get(), layers_.get(), name)) remove_tree(layers_.get(), name);
  }
}

std::optional<int64_t> LayerStore::find(const std::string& chain_id) {
  Fd directory(::openat(layers_.get(), chain_id.c_str(), kDirectory | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOENT) return std::nullopt;
    throw Error::from_errno("open the layer " + chain_id);
  }
  Fd file = open_at(directory.get(), kFacts, O_RDONLY | O_NOFOLLOW);
  json::value facts = parse_json(read_all(file.get(), 4096), "the description of a layer");
  link(chain_id);  // a crash may have come between the layer and its link
  return facts.at("size").to_number<int64_t>();
}

Fd LayerStore::open(const std::string& chain_id) const {
  return open_at(layers_.get(), chain_id, kDirectory);
}

int64_t LayerStore::add(const std::string& chain_id, const Unpack& unpack) {
  std::string unfinished = std::string(kUnfinished) + chain_id;
  for (;;) {
    if (auto size = find(chain_id)) return *size;
    if (::mkdirat(layers_.get(), unfinished.c_str(), 0700) != 0 && errno != EEXIST)
      throw Error::from_errno("make the layer " + chain_id);
    Fd directory(::openat(layers_.get(), unfinished.c_str(), kDirectory | O_CLOEXEC));
    if (!directory && errno == ENOENT) continue;
    if (!directory) throw Error::from_errno("open the layer " + chain_id);
    lock(directory.get());
    if (!is_still(directory.get(), layers_.get(), unfinished)) continue;
    // Finished between our look and our directory.
    if (auto size = find(chain_id)) {
      remove_tree(layers_.get(), unfinished);
      return *size;
    }
    try {
      return fill(directory.get(), chain_id, unpack);
    } catch (...) {
      remove_tree(layers_.get(), unfinished);
      throw;
    }
  }
}

int64_t LayerStore::fill(int directory, const std::string& chain_id, const Unpack& unpack) {
  for (const std::string& left : directory_entries(directory)) remove_tree(directory, left);
  Fd root = make_directory(directory, "diff", 0755);
  if (::fchmod(root.get(), 0755) != 0) throw Error::from_errno("set the mode of a layer");
  UnpackedLayer layer = unpack({root.get(), directory});
  write_facts(directory, layer);
  // Once for all files: an fsync each would cost a journal commit each. It reports write errors too
  // (syncfs(2), since Linux 5.8).
  if (::syncfs(directory) != 0) throw Error::from_errno("write the layer to the disk");
  std::string unfinished = std::string(kUnfinished) + chain_id;
  if (::renameat(layers_.get(), unfinished.c_str(), layers_.get(), chain_id.c_str()) != 0)
    throw Error::from_errno("rename the layer " + chain_id);
  link(chain_id);
  if (::fsync(layers_.get()) != 0 || ::fsync(links_.get()) != 0)
    throw Error::from_errno("write the layer to the disk");
  return static_cast<int64_t>(layer.bytes);
}

void LayerStore::link(const std::string& chain_id) {
  std::string name = link_name(chain_id);
  std::string target = "../layers/" + chain_id + "/diff";
  if (::symlinkat(target.c_str(), links_.get(), name.c_str()) == 0) return;
  if (errno != EEXIST) throw Error::from_errno("make the link " + name);
  std::array<char, PATH_MAX> found{};
  ssize_t size = ::readlinkat(links_.get(), name.c_str(), found.data(), found.size());
  if (size < 0 || std::string_view(found.data(), static_cast<size_t>(size)) != target)
    throw Error("the link " + name + " of the image store leads to another layer");
}

Fd LayerStore::temporary_file() const {
  return open_at(layers_.get(), ".", O_TMPFILE | O_RDWR, 0600);
}

}  // namespace pcompose::engine
