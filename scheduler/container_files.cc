#include "scheduler/container_files.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/error.h"
#include "base/pidfd.h"
#include "engine/container_ids.h"
#include "engine/copy.h"
#include "engine/fuse_layers.h"
#include "engine/images.h"
#include "engine/merged_layers.h"
#include "engine/mount_points.h"
#include "engine/storage.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kCopied = "/root";  // of a container's directory: replica_root.cc
constexpr int kMostLinks = 40;            // path_resolution(7)

struct Split {
  std::string parent, name;  // name "" for "/", "." and ".."
};

Split split(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  size_t slash = path.rfind('/');
  Split out{slash == std::string::npos ? "." : path.substr(0, slash + 1),
            path.substr(slash == std::string::npos ? 0 : slash + 1)};
  if (out.name == "." || out.name == "..") out = {path, ""};
  return out;
}

bool is_directory(const Fd& fd) {
  struct stat status{};
  return ::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string link_target(const Fd& link) {
  char text[PATH_MAX + 1] = {};
  // An O_PATH descriptor of the link itself: readlinkat(2).
  if (::readlinkat(link.get(), "", text, PATH_MAX) < 0) throw Error::from_errno("readlink");
  return text;
}

// The layers of a container that does not run, to read and to write. Its supervisor may start it
// meanwhile: what is written then may come too late for it.
Fd open_layers(const Roots& roots, const ContainerRow& row) {
  std::string state = roots.state + "/containers/" + row.id;
  std::string copied = state + kCopied;
  if (std::filesystem::exists(copied)) return open_file(copied, O_PATH | O_DIRECTORY);
  Database db(roots.database());
  engine::ImageStore images(db, roots);
  auto image = images.by_id(row.image_id);
  if (!image) throw Error("the image of container " + row.name + " is gone");
  auto choice = engine::read_storage(state);
  if (choice && choice->storage == engine::Storage::fuse_overlayfs) {
    make_directories(state + "/empty");
    engine::Root root;
    root.links = images.links_directory();
    root.lower = image->layers;
    root.upper = state + "/upper";
    root.work = state + "/work";
    return engine::open_fuse_layers(root, state + "/empty");
  }
  engine::make_mount_points(roots.state);
  image->layers.emplace_back(engine::kMountPoints);
  return engine::open_writable_layers(images.links_directory(), image->layers, state + "/upper",
                                      state + "/work");
}

// Those of a copy of the image with other owners; the layers have the image's own.
engine::ContainerIds ids_on_disk(const Roots& roots, const ContainerRow& row) {
  std::string state = roots.state + "/containers/" + row.id;
  return std::filesystem::exists(state + kCopied) ? engine::read_ids(state)
                                                  : engine::ContainerIds();
}

struct Running {
  Fd root;
  engine::ContainerIds ids;
};

Running open_running(const Roots& roots, const ContainerRow& row) {
  Running out;
  out.root = open_file("/proc/" + std::to_string(row.pid) + "/root", O_PATH | O_DIRECTORY);
  // Seen from an ordinary user's namespace a plain container has none.
  out.ids = roots.rootless ? ids_on_disk(roots, row) : engine::ids_of_process(row.pid);
  // The pid may have become another's before it was looked at, and not after.
  if (process_start_time(row.pid) != row.pid_start)
    throw Error("container " + row.name + " has just ended").hint("try again");
  return out;
}

}  // namespace

bool needs_namespaces(const Roots& roots, const ContainerRow& row) {
  if (!roots.rootless || ::geteuid() == 0) return false;
  std::string state = roots.state + "/containers/" + row.id;
  if (!ids_on_disk(roots, row).empty()) return true;  // its files have owners that only exist there
  auto choice = engine::read_storage(state);
  if (choice && choice->storage == engine::Storage::copy) return false;
  bool served = choice && choice->storage == engine::Storage::fuse_overlayfs;
  return served || (row.status != Status::running && row.status != Status::paused);
}

CopySide CopySide::container(const Roots& roots, const ContainerRow& row, std::string path) {
  bool runs = row.status == Status::running || row.status == Status::paused;
  Running there =
      runs ? open_running(roots, row) : Running{open_layers(roots, row), ids_on_disk(roots, row)};
  CopySide out{std::move(there.root), std::move(path), true};
  out.ids_ = std::move(there.ids);
  engine::make_files_as(engine::id_outside(out.ids_.uids, 0).value_or(0),
                        engine::id_outside(out.ids_.gids, 0).value_or(0));
  return out;
}

CopySide CopySide::host(std::string path) { return {Fd(), std::move(path), false}; }

bool CopySide::means_content() const { return path_ == "." || path_.ends_with("/."); }

// nullopt where there is nothing of that name.
std::optional<Fd> CopySide::find(const std::string& path, int flags) const {
  try {
    if (in_container_) return open_within(root_.get(), path, flags, Resolve::in_root);
    return open_file(path, flags);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT) return std::nullopt;
    throw;
  }
}

class Copier {
 public:
  // The directory that the source is in, and its name there.
  static engine::CopySource source(const CopySide& side, FollowLink follow) {
    std::string path = side.path_;
    Fd found = existing(side, path, O_PATH | O_NOFOLLOW);
    for (int links = 0; follow == FollowLink::yes && is_link(found); ++links) {
      if (links == kMostLinks) throw Error(side.path_, ELOOP);
      std::string target = link_target(found);
      path = target.starts_with('/') ? target : split(path).parent + "/" + target;
      found = existing(side, path, O_PATH | O_NOFOLLOW);
    }
    Split parts = split(path);
    if (side.means_content() || parts.name.empty()) {
      if (!is_directory(found)) throw Error(side.path_, ENOTDIR);
      return {existing(side, path, O_RDONLY | O_DIRECTORY), "", "", false, side.ids_};
    }
    // A link that was followed keeps the name that was asked for.
    return {existing(side, parts.parent, O_RDONLY | O_DIRECTORY), parts.name,
            split(side.path_).name, false, side.ids_};
  }

  static Fd existing(const CopySide& side, const std::string& path, int flags) {
    auto found = side.find(path, flags);
    if (!found) throw Error("no such file: " + path);
    return std::move(*found);
  }

  // Where it goes; `source.as` becomes the name it gets there.
  static Fd target(const CopySide& side, engine::CopySource& source) {
    auto there = side.find(side.path_, O_PATH);
    if (there && is_directory(*there)) return existing(side, side.path_, O_RDONLY | O_DIRECTORY);
    Split parts = split(side.path_);
    bool tree = source.name.empty() || source_is_directory(source);
    if (there && tree) throw Error("cannot copy a directory to the file " + side.path_);
    if (!there && !tree && side.path_.ends_with('/'))
      throw Error("the directory " + side.path_ + " does not exist");
    Fd parent = existing(side, parts.parent, O_RDONLY | O_DIRECTORY);
    if (!source.name.empty()) {
      source.as = parts.name;
      return parent;
    }
    // All that a directory holds goes into one that has to be made first.
    if (::mkdirat(parent.get(), parts.name.c_str(), 0755) != 0 && errno != EEXIST)
      throw Error::from_errno("make " + side.path_);
    return open_at(parent.get(), parts.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  static engine::CopyTarget owned(const CopySide& side, Fd directory, KeepOwners keep) {
    engine::CopyTarget out;
    out.directory = std::move(directory);
    if (keep == KeepOwners::yes) out.owners = engine::Owners::keep;
    if (side.in_container_) {
      out.ids = side.ids_;
      return out;
    }
    if (Roots::from_environment().rootless) return out;
    out.uid = ::geteuid();
    out.gid = ::getegid();
    return out;
  }

 private:
  static bool is_link(const Fd& fd) {
    struct stat status{};
    return ::fstat(fd.get(), &status) == 0 && S_ISLNK(status.st_mode);
  }
  static bool source_is_directory(const engine::CopySource& source) {
    struct stat status{};
    return ::fstatat(source.directory.get(), source.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           S_ISDIR(status.st_mode);
  }
};

void copy_files(const Roots& roots, const CopySide& source, const CopySide& target,
                FollowLink follow, KeepOwners owners) {
  engine::CopySource from = Copier::source(source, follow);
  Fd directory = Copier::target(target, from);
  engine::copy(roots, from, Copier::owned(target, std::move(directory), owners));
}

void copy_files_to(const Roots& roots, const CopySide& source, int stream, FollowLink follow) {
  engine::copy_to_stream(roots, Copier::source(source, follow), stream);
}

void export_container(const Roots& roots, const ContainerRow& row, int stream) {
  CopySide whole = CopySide::container(roots, row, "/");
  engine::CopySource source = Copier::source(whole, FollowLink::no);
  source.one_file_system = true;
  engine::copy_to_stream(roots, source, stream);
}

void copy_files_from(const Roots& roots, int stream, const CopySide& target, KeepOwners owners) {
  Fd directory = Copier::existing(target, target.path(), O_RDONLY | O_DIRECTORY);
  engine::copy_from_stream(roots, stream, Copier::owned(target, std::move(directory), owners));
}

}  // namespace pcompose::scheduler
