#include "engine/layer_copy.h"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <map>
#include <string_view>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utility>

#include "base/copy_file.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// What an overlay shows under one name.
struct Found {
  size_t layer = 0;  // the topmost that has it
  struct stat status{};
  std::vector<size_t> directories;  // the layers that are merged
  bool hidden = false;              // by a whiteout
  bool closed = false;              // what lower layers have here does not matter
};

// A directory that is there already and has to be filled.
struct Place {
  std::string path;  // beneath the root; "" or ending in '/'
  std::vector<size_t> layers;
  struct stat status{};
};

// Directories wait in a queue: however deep they are, no more than three are open at a time.
class LayerCopy {
 public:
  LayerCopy(std::vector<Fd> layers, size_t uppers, int root, const ContainerIds& ids)
      : layers_(std::move(layers)), uppers_(uppers), root_(root), ids_(ids) {}
  void run();

 private:
  using Names = std::map<std::string, Found>;
  [[nodiscard]] Fd open_place(int root, const Place& place) const;
  void look(const Place& place, size_t layer, Names& names) const;
  void fill(const Place& place);
  void make(const Place& place, size_t layer, int to, const Names& names);
  [[nodiscard]] struct stat status_for(int directory, const std::string& name) const;
  bool link_to_copy(const Place& place, int to, const std::string& name, const struct stat& status);

  std::vector<Fd> layers_;
  size_t uppers_;  // so many of them were written by a container
  int root_;
  const ContainerIds& ids_;
  std::deque<Place> waiting_;
  std::map<std::pair<dev_t, ino_t>, std::string> copies_;  // of files with several names
};

struct stat status_of(int directory, const std::string& name) {
  struct stat status{};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
    throw Error::from_errno("stat " + name);
  return status;
}

// With the owner it gets.
struct stat LayerCopy::status_for(int directory, const std::string& name) const {
  struct stat status = status_of(directory, name);
  if (ids_.empty()) return status;
  auto uid = id_outside(ids_.uids, status.st_uid), gid = id_outside(ids_.gids, status.st_gid);
  if (!uid || !gid) {
    throw Error("the owner of " + name + " is not among the ids of the container")
        .hint("ask for more: userns_mode: auto:size=N");
  }
  status.st_uid = *uid;
  status.st_gid = *gid;
  return status;
}

constexpr std::string_view kWhiteout = ".wh.";

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

// As the image store writes it, and as overlayfs and fuse-overlayfs do: overlayfs.rst.
bool is_opaque(int parent, const std::string& name) {
  Fd directory = open_at(parent, name, kDirectory);
  for (const char* attribute :
       {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"}) {
    char value = 0;
    if (::fgetxattr(directory.get(), attribute, &value, 1) == 1 && value == 'y') return true;
  }
  return false;
}

Fd LayerCopy::open_place(int root, const Place& place) const {
  return open_within(root, place.path.empty() ? "." : place.path, O_RDONLY | O_DIRECTORY,
                     Resolve::no_links);
}

void LayerCopy::look(const Place& place, size_t layer, Names& names) const {
  Fd from = open_place(layers_[layer].get(), place);
  for (const std::string& entry : directory_entries(from.get())) {
    bool plain = layer >= uppers_ && entry.starts_with(kWhiteout);
    std::string name = plain ? entry.substr(kWhiteout.size()) : entry;
    Found& found = names[name];
    if (found.closed) continue;
    struct stat status = status_for(from.get(), entry);
    bool directory = S_ISDIR(status.st_mode);
    if (found.directories.empty()) {
      found.layer = layer;
      found.status = status;
      found.hidden = plain || is_whiteout(status);
    }
    if (directory) found.directories.push_back(layer);
    found.closed = !directory || is_opaque(from.get(), name);
  }
}

// True where another name of the same file was copied before.
bool LayerCopy::link_to_copy(const Place& place, int to, const std::string& name,
                             const struct stat& status) {
  if (status.st_nlink < 2) return false;
  auto [copy, is_new] = copies_.try_emplace({status.st_dev, status.st_ino}, place.path + name);
  if (is_new) return false;
  if (::linkat(root_, copy->second.c_str(), to, name.c_str(), 0) == 0) return true;
  // A path too long or too many links: a second copy serves. ENOENT: the first was left out.
  if (errno == ENAMETOOLONG || errno == EMLINK || errno == ENOENT) return false;
  throw Error::from_errno("link " + name);
}

void LayerCopy::make(const Place& place, size_t layer, int to, const Names& names) {
  Fd from;
  for (const auto& [name, found] : names) {
    if (found.layer != layer || found.hidden) continue;
    if (S_ISDIR(found.status.st_mode)) {
      if (::mkdirat(to, name.c_str(), 0700) != 0) throw Error::from_errno("make " + name);
      waiting_.push_back({place.path + name + "/", found.directories, found.status});
    } else if (!link_to_copy(place, to, name, found.status)) {
      if (!from) from = open_place(layers_[layer].get(), place);
      copy_entry(from.get(), to, name, found.status);
    }
  }
}

void LayerCopy::fill(const Place& place) {
  Names names;
  for (size_t layer : place.layers) look(place, layer, names);
  Fd to = open_place(root_, place);
  for (size_t layer : place.layers) make(place, layer, to.get(), names);
  copy_attributes(open_place(layers_[place.layers.front()].get(), place).get(), to.get());
  copy_status(to.get(), place.status, "/" + place.path);  // last: writing into it changes its time
}

void LayerCopy::run() {
  Place root;
  for (size_t i = 0; i < layers_.size(); ++i) root.layers.push_back(i);
  root.status = status_for(layers_.front().get(), "");
  waiting_.push_back(std::move(root));
  for (; !waiting_.empty(); waiting_.pop_front()) {
    try {
      fill(waiting_.front());
    } catch (Error& e) {
      throw e.add("copy /" + waiting_.front().path);
    }
  }
}

}  // namespace

void copy_layers(const Root& root, int to, const ContainerIds& ids) {
  Fd directory = open_file(root.links, O_PATH | O_DIRECTORY);
  std::vector<Fd> layers;
  if (!root.upper.empty()) layers.push_back(open_file(root.upper, O_RDONLY | O_DIRECTORY));
  size_t uppers = layers.size();
  // Our own short links lead to them.
  for (const std::string& name : root.lower)
    layers.push_back(open_at(directory.get(), name, O_RDONLY | O_DIRECTORY));
  LayerCopy(std::move(layers), uppers, to, ids).run();
}

}  // namespace pcompose::engine
