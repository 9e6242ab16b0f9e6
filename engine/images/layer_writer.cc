#include "engine/images/layer_writer.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images/bounds.h"
#include "engine/rootless/own_ids.h"

namespace pcompose::engine {
namespace {

constexpr int64_t kEarlyWrite = 1 << 20;

// Others either mean something to the kernel that an image must not say (trusted.overlay.redirect)
// or belong to the machine that made it (security.selinux).
bool is_wanted(std::string_view attribute) {
  if (attribute.starts_with("user.overlay.")) return false;
  return attribute.starts_with("user.") || attribute == "security.capability" ||
         attribute == "system.posix_acl_access" || attribute == "system.posix_acl_default";
}

void set_attributes(int fd, const TarEntry& entry) {
  for (const auto& [name, value] : entry.attributes) {
    if (!is_wanted(name)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    // A file system without them, or capabilities in a user namespace that may not give them.
    if (errno == ENOTSUP || errno == EPERM) continue;
    throw Error::from_errno("set the extended attribute " + name);
  }
}

// overlayfs: "trusted." needs the machine's CAP_SYS_ADMIN, "user." is what a mount with `userxattr`
// looks at (kernel documentation, filesystems/overlayfs.rst).
void set_opaque(int fd) {
  if (::fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) == 0) return;
  bool refused = errno == EPERM || errno == EOPNOTSUPP;  // the latter of an overlay below ours
  if (refused && ::fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) == 0) return;
  throw Error::from_errno("mark a directory opaque");
}

uint32_t id_of(int64_t id) {
  if (id < 0 || id >= std::numeric_limits<uint32_t>::max())
    throw Error(fmt::format("{} is no user or group id", id));
  return static_cast<uint32_t>(id);
}

Error owner_error() {
  int number = errno;
  Error error("set its owner", number);
  if (number == EINVAL)
    error.hint("the id is not mapped: enlarge your ranges in /etc/subuid and /etc/subgid");
  return error;
}

mode_t type_bits(EntryType type) {
  if (type == EntryType::fifo) return S_IFIFO;
  return type == EntryType::char_device ? S_IFCHR : S_IFBLK;
}

}  // namespace

LayerLimits LayerLimits::from_environment() {
  LayerLimits out;
  for (auto [name, limit] : {std::pair("PCOMPOSE_LAYER_MAX_BYTES", &out.bytes),
                             std::pair("PCOMPOSE_LAYER_MAX_ENTRIES", &out.entries),
                             std::pair("PCOMPOSE_LAYER_MAX_RATIO", &out.ratio)}) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') continue;
    const char* end = text + std::strlen(text);
    auto [stop, error] = std::from_chars(text, end, *limit);
    if (error != std::errc() || stop != end || *limit == 0 || *limit > 1ULL << 50U)
      throw Error(fmt::format("{}={:.40} is no number from 1 on", name, text));
  }
  return out;
}

Ownership possible_ownership() {
  bool all = ::geteuid() == 0 && !rootless::has_single_id();
  return all ? Ownership::keep : Ownership::ours;
}

LayerWriter::LayerWriter(int root, LayerLimits limits, Ownership ownership, LostBodies* lost)
    : root_(root), lost_(lost), limits_(limits), ownership_(ownership) {}

std::optional<WrittenFile> LayerWriter::add(const TarEntry& entry,
                                            const std::function<bool(TarData&)>& next_piece) {
  if (++entries_ > limits_.entries)
    throw Error(fmt::format("the layer has more than {} entries", limits_.entries), EFBIG);
  LayerPath path = parse_(entry.path);
  written_.reset();
  try {
    add_any(entry, path, next_piece);
  } catch (Error& e) {
    throw e.add(fmt::format("the layer's entry \"{:.200}\"", entry.path));
  }
  return std::exchange(written_, std::nullopt);
}

void LayerWriter::add_any(const TarEntry& entry, const LayerPath& path,
                          const std::function<bool(TarData&)>& next_piece) {
  if (path.kind == LayerPathKind::root) return root_directory(entry);
  if (path.kind == LayerPathKind::opaque) return opaque(path.parent);
  if (path.kind == LayerPathKind::ignored) return;
  int above = parent(path.parent);
  if (path.kind == LayerPathKind::whiteout) return whiteout(above, path);
  add_entry(entry, path, next_piece);
}

void LayerWriter::add_entry(const TarEntry& entry, const LayerPath& path,
                            const std::function<bool(TarData&)>& next_piece) {
  int above = parent(path.parent);
  switch (entry.type) {
    case EntryType::file:
      return file(above, entry, path, next_piece);
    case EntryType::directory:
      return directory(above, entry, path);
    case EntryType::symlink:
      return symlink(above, entry, path.name);
    case EntryType::hard_link:
      return hard_link(above, entry, path);
    case EntryType::fifo:
    case EntryType::char_device:
    case EntryType::block_device:
      return node(above, entry, path.name);
    case EntryType::other:
      return;  // sockets: whoever listens makes them
  }
}

int LayerWriter::parent(const std::string& path) {
  if (path.empty()) return root_;
  if (parent_ && parent_path_ == path) return parent_.get();
  parent_.reset();
  through_link_ = false;
  parent_ = find_parent(path);
  parent_path_ = path;
  return parent_.get();
}

Fd LayerWriter::find_parent(const std::string& path) {
  try {
    return open_within(root_, path, O_PATH | O_DIRECTORY, Resolve::no_links);
  } catch (const Error& e) {
    // O_NOFOLLOW and O_DIRECTORY: where the last component is a link, it is ENOTDIR.
    if (e.error_number() != ENOENT && e.error_number() != ENOTDIR && e.error_number() != ELOOP)
      throw;
    through_link_ = e.error_number() != ENOENT;
  }
  try {
    return open_within(root_, path, O_PATH | O_DIRECTORY, Resolve::beneath);
  } catch (const Error& e) {
    if (e.error_number() != ENOENT && e.error_number() != ENOTDIR) throw;
    through_link_ = true;  // perhaps
    return make_parents(path);
  }
}

// Archives may leave out the directories above an entry.
Fd LayerWriter::make_parents(const std::string& path) {
  Fd above;
  for (size_t start = 0;;) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string prefix = path.substr(0, end);
    try {
      above = open_within(root_, prefix, O_PATH | O_DIRECTORY, Resolve::beneath);
    } catch (const Error& e) {
      if (e.error_number() != ENOENT && e.error_number() != ENOTDIR) throw;
      above = make_parent(above ? above.get() : root_, prefix, path.substr(start, end - start));
    }
    if (end == path.size()) return above;
    start = end + 1;
  }
}

Fd LayerWriter::make_parent(int above, const std::string& prefix, const std::string& name) {
  struct stat status{};
  if (::fstatat(above, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    // Only what this layer put there can be here: a whiteout goes, as its directory is opaque then.
    if (!whiteouts_.contains(prefix) || !S_ISCHR(status.st_mode)) throw Error(prefix, ENOTDIR);
    clear(above, name);
  }
  if (::mkdirat(above, name.c_str(), 0755) != 0) throw Error::from_errno("make " + prefix);
  Fd made = open_at(above, name, kDirectory);
  if (::fchmod(made.get(), 0755) != 0) throw Error::from_errno("set the mode of " + prefix);
  if (whiteouts_.contains(prefix)) set_opaque(made.get());
  return made;
}

void LayerWriter::clear(int parent, const std::string& name) {
  struct stat status{};
  if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (lost_ != nullptr) {
    lost_->take(parent, name);
  } else {
    remove_tree(parent, name);
  }
  // The remembered directory may have been in it, or reached through it.
  if (parent != parent_.get() || !parent_) {
    if (S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode)) parent_.reset();
  }
}

// Calls attempt() until it does not say EEXIST: what was there before has lost.
template <class Make>
void LayerWriter::make(int parent, const std::string& name, Make&& attempt) {
  if (attempt()) return;
  if (errno != EEXIST) throw Error::from_errno("make it");
  clear(parent, name);
  if (!attempt()) throw Error::from_errno("make it");
}

void LayerWriter::file(int parent, const TarEntry& entry, const LayerPath& path,
                       const std::function<bool(TarData&)>& next_piece) {
  Fd fd;
  make(parent, path.name, [&] {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    fd = Fd(::openat(parent, path.name.c_str(), kFlags, 0600));
    return static_cast<bool>(fd);
  });
  write(fd.get(), entry, next_piece);
  describe(fd.get(), entry);
  if (lost_ == nullptr || entry.size == 0) return;
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw Error::from_errno("fstat");
  written_ = WrittenFile{path.str(), status.st_ino, entry.size};
  // A later entry may turn the link elsewhere.
  if (through_link_) lost_->link(parent, path.name, status.st_ino);
}

void LayerWriter::write(int fd, const TarEntry& entry,
                        const std::function<bool(TarData&)>& next_piece) {
  auto claim = [this](uint64_t size) {
    if (size > limits_.bytes || bytes_ + size > limits_.bytes)
      throw Error(fmt::format("the layer's files have more than {} bytes", limits_.bytes), EFBIG);
  };
  if (entry.size < 0) throw Error("its size is negative");
  claim(static_cast<uint64_t>(entry.size));
  int64_t end = 0;
  TarData piece;
  while (next_piece(piece)) {
    if (piece.offset < end) throw Error("its pieces overlap");
    while (!piece.bytes.empty()) {
      claim(static_cast<uint64_t>(piece.offset) + piece.bytes.size());
      ssize_t n = ::pwrite(fd, piece.bytes.data(), piece.bytes.size(), piece.offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error::from_errno("write");
      piece.bytes.remove_prefix(static_cast<size_t>(n));
      piece.offset += n;
      end = piece.offset;
    }
  }
  if (entry.size > end && ::ftruncate(fd, entry.size) != 0) throw Error::from_errno("write");
  // The disk begins now, not when the layer is complete and everybody waits for it. Only a hint.
  if (end >= kEarlyWrite) static_cast<void>(::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
  bytes_ += static_cast<uint64_t>(std::max(end, entry.size));
}

void LayerWriter::directory(int parent, const TarEntry& entry, const LayerPath& path) {
  struct stat status{};
  bool there = ::mkdirat(parent, path.name.c_str(), 0700) != 0;
  if (there) {
    if (errno != EEXIST) throw Error::from_errno("make it");
    if (::fstatat(parent, path.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      throw Error::from_errno("stat");
    if (!S_ISDIR(status.st_mode)) {
      clear(parent, path.name);
      if (::mkdirat(parent, path.name.c_str(), 0700) != 0) throw Error::from_errno("make it");
    }
  }
  Fd fd = open_at(parent, path.name, kDirectory);
  if (whiteouts_.contains(path.str())) set_opaque(fd.get());
  describe(fd.get(), entry);
  times_.emplace_back(path.str(), entry.mtime);
}

void LayerWriter::root_directory(const TarEntry& entry) {
  if (entry.type != EntryType::directory) return;
  Fd fd = open_at(root_, ".", kDirectory);
  describe(fd.get(), entry);
  times_.emplace_back(".", entry.mtime);
}

void LayerWriter::symlink(int parent, const TarEntry& entry, const std::string& name) {
  make(parent, name, [&] { return ::symlinkat(entry.target.c_str(), parent, name.c_str()) == 0; });
  describe_name(parent, entry, name);
}

void LayerWriter::hard_link(int parent, const TarEntry& entry, const LayerPath& path) {
  LayerPath target = parse_(entry.target);
  if (target.kind != LayerPathKind::entry) throw Error("a hard link to " + entry.target);
  if (target.str() == path.str()) return;
  Fd directory = target.parent.empty()
                     ? open_at(root_, ".", O_PATH | O_DIRECTORY)
                     : open_within(root_, target.parent, O_PATH | O_DIRECTORY, Resolve::beneath);
  struct stat status{};
  if (::fstatat(directory.get(), target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("hard link to " + entry.target);
  if (S_ISDIR(status.st_mode)) throw Error("a hard link to the directory " + entry.target);
  make(parent, path.name, [&] {
    return ::linkat(directory.get(), target.name.c_str(), parent, path.name.c_str(), 0) == 0;
  });
}

void LayerWriter::node(int parent, const TarEntry& entry, const std::string& name) {
  mode_t type = type_bits(entry.type);
  if (ownership_ == Ownership::ours && type != S_IFIFO) return;
  bool made = true;
  make(parent, name, [&] {
    made = ::mknodat(parent, name.c_str(), type | 0600U, entry.device) == 0;
    // A user namespace makes no devices; a container gets those that it needs from us.
    return made || errno == EPERM;
  });
  if (made) describe_name(parent, entry, name);
}

void LayerWriter::whiteout(int parent, const LayerPath& path) {
  whiteouts_.insert(path.str());
  // An unprivileged process may make this one device (mknod(2)).
  if (::mknodat(parent, path.name.c_str(), S_IFCHR, ::makedev(0, 0)) == 0) return;
  if (errno == EPERM) return plain_whiteout(parent, path);
  if (errno != EEXIST) throw Error::from_errno("make a whiteout");
  // The layer has an entry of that name as well: it hides what is below by itself, a directory once
  // it is opaque.
  struct stat status{};
  if (::fstatat(parent, path.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("stat");
  if (S_ISDIR(status.st_mode)) set_opaque(open_at(parent, path.name, kDirectory).get());
}

namespace {

// By a later entry: what was opened by its path is not there any more, or is something else.
bool was_replaced(const Error& e) {
  int number = e.error_number();
  return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EXDEV;
}

}  // namespace

// An overlay has no whiteouts of our making, and is no place for another's upper directory either:
// what stands in for overlayfs there (engine/storage.h) knows the archives' form.
void LayerWriter::plain_whiteout(int parent, const LayerPath& path) {
  open_at(parent, ".wh." + path.name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  plain_whiteouts_.push_back(path);
}

// The layer has an entry of that name as well, which came later.
void LayerWriter::drop_needless_whiteouts() {
  for (const LayerPath& path : plain_whiteouts_) {
    try {
      Fd above = open_within(root_, path.parent.empty() ? "." : path.parent, O_RDONLY | O_DIRECTORY,
                             Resolve::beneath);
      struct stat status{};
      if (::fstatat(above.get(), path.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        clear(above.get(), ".wh." + path.name);
    } catch (const Error& e) {
      if (!was_replaced(e)) throw;
    }
  }
}

void LayerWriter::opaque(const std::string& path) {
  Fd fd = open_at(parent(path), ".", O_RDONLY | O_DIRECTORY);
  set_opaque(fd.get());
}

void LayerWriter::describe(int fd, const TarEntry& entry) const {
  // The owner first: chown(2) takes set-user-id bits and capabilities away.
  if (ownership_ == Ownership::keep && ::fchown(fd, id_of(entry.uid), id_of(entry.gid)) != 0)
    throw owner_error();
  if (::fchmod(fd, entry.mode) != 0) throw Error::from_errno("set its mode");
  set_attributes(fd, entry);
  timespec times[2] = {entry.mtime, entry.mtime};
  if (::futimens(fd, times) != 0) throw Error::from_errno("set its time");
}

void LayerWriter::describe_name(int parent, const TarEntry& entry, const std::string& name) const {
  if (ownership_ == Ownership::keep && ::fchownat(parent, name.c_str(), id_of(entry.uid),
                                                  id_of(entry.gid), AT_SYMLINK_NOFOLLOW) != 0) {
    throw owner_error();
  }
  // A symbolic link has no mode of its own, and this would follow it.
  if (entry.type != EntryType::symlink && ::fchmodat(parent, name.c_str(), entry.mode, 0) != 0)
    throw Error::from_errno("set its mode");
  timespec times[2] = {entry.mtime, entry.mtime};
  if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("set its time");
}

void LayerWriter::finish() {
  drop_needless_whiteouts();
  parent_.reset();
  for (const auto& [path, time] : times_) {
    try {
      Fd fd = open_within(root_, path, kDirectory, Resolve::beneath);
      timespec times[2] = {time, time};
      if (::futimens(fd.get(), times) != 0) throw Error::from_errno("set the time of " + path);
    } catch (const Error& e) {
      if (!was_replaced(e)) throw;
    }
  }
}

}  // namespace pcompose::engine
