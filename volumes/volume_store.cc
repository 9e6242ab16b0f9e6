#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"
#include "volumes/copy_tree.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

constexpr int kVersion = 1;
constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS volumes(
    name TEXT PRIMARY KEY, project TEXT NOT NULL, key TEXT NOT NULL, labels TEXT NOT NULL,
    populated INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS volumes_project ON volumes(project);
)";
constexpr const char* kColumns = "SELECT name, project, key, labels, populated FROM volumes ";

constexpr const char* kData = "_data";
constexpr const char* kFresh = "_data.tmp";  // names of volumes' directories, so never a volume
constexpr const char* kRemoved = ".removed-";
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

VolumeRow read_row(const SQLite::Statement& row) {
  VolumeRow out;
  out.name = row.getColumn(0).getString();
  out.project = row.getColumn(1).getString();
  out.key = row.getColumn(2).getString();
  auto labels = json::parse(row.getColumn(3).getString());
  out.labels = json::value_to<std::map<std::string, std::string>>(labels);
  out.populated = row.getColumn(4).getInt() != 0;
  return out;
}

std::vector<VolumeRow> read_rows(SQLite::Statement& query) {
  std::vector<VolumeRow> out;
  while (query.executeStep()) out.push_back(read_row(query));
  return out;
}

// Docker's rule for names. It keeps "..", "/" and our own names, which begin with a dot, out.
void check_name(const std::string& name) {
  auto alphanumeric = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  bool good = !name.empty() && name.size() <= 255 && alphanumeric(name.front()) &&
              std::ranges::all_of(name, [&](char c) {
                return alphanumeric(c) || c == '_' || c == '.' || c == '-';
              });
  if (!good) {
    throw Error("\"" + name +
                "\" is no volume name (letters, digits, '_', '.' and '-'; the first a letter or "
                "digit)");
  }
}

void make_directory(int parent, const std::string& name, mode_t mode) {
  if (::mkdirat(parent, name.c_str(), mode) == 0) {
    // Whatever our umask is.
    Fd made = open_at(parent, name, kDirectory);
    if (::fchmod(made.get(), mode) == 0) return;
  }
  if (errno != EEXIST) throw Error::from_errno("make the directory " + name);
}

void sync(int fd) {
  if (::fsync(fd) != 0) throw Error::from_errno("fsync a volume");
}

// Waits for another process that populates or removes the same volume. The lock is the
// descriptor's: it goes with it, and a killed process leaves nothing behind (flock(2)).
void lock(int directory) {
  while (::flock(directory, LOCK_EX) != 0) {
    if (errno != EINTR) throw Error::from_errno("lock a volume");
  }
}

void copy_beside_and_rename(int volume, int source) {
  remove_tree(volume, kFresh);  // of a process that was killed
  make_directory(volume, kFresh, 0700);
  Fd fresh = open_at(volume, kFresh, kDirectory);
  size_t entries = copy_tree(source, fresh.get());
  // One pass over the file system's dirty pages; an fsync for each file costs a journal commit
  // each.
  if (entries > 0 && ::syncfs(fresh.get()) != 0) throw Error::from_errno("syncfs");
  sync(fresh.get());
  // Over the empty directory: rename(2) replaces it in one step.
  if (::renameat(volume, kFresh, volume, kData) != 0)
    throw Error::from_errno("rename " + std::string(kFresh));
  sync(volume);
}

// Renamed volumes, also those of a process that was killed; what another one is removing right now
// is left to it.
void remove_renamed(int all) {
  for (const std::string& entry : directory_entries(all)) {
    if (!entry.starts_with(kRemoved)) continue;
    Fd doomed(::openat(all, entry.c_str(), kDirectory | O_CLOEXEC));
    if (doomed && ::flock(doomed.get(), LOCK_EX | LOCK_NB) == 0) remove_tree(all, entry);
  }
}

}  // namespace

VolumeStore::VolumeStore(Database& db, const Roots& roots)
    : db_(db), directory_(roots.state + "/volumes") {
  db_.ensure_schema("volumes", kVersion, kSchema);
}

std::string VolumeStore::data_path(const std::string& name) const {
  check_name(name);
  return directory_ + "/" + name + "/" + kData;
}

VolumeRow VolumeStore::ensure(const std::string& name, const std::string& project,
                              const std::string& key,
                              const std::map<std::string, std::string>& labels) {
  check_name(name);
  try {
    make_directories(directory_);
    Fd all = open_file(directory_, kDirectory);
    make_directory(all.get(), name, 0700);
    Fd volume = open_at(all.get(), name, kDirectory);
    make_directory(volume.get(), kData, 0755);
  } catch (Error& e) {
    throw e.add("make the volume " + name);
  }
  // The directory first: a row always has one.
  if (auto found = find(name)) return *found;
  SQLite::Statement insert(
      db_.get(),
      "INSERT INTO volumes(name, project, key, labels, populated) VALUES(?,?,?,?,0) "
      "ON CONFLICT(name) DO NOTHING");
  insert.bind(1, name);
  insert.bind(2, project);
  insert.bind(3, key);
  insert.bind(4, json::serialize(json::value_from(labels)));
  DurableCommits durable(db_);
  insert.exec();
  return find(name).value();
}

void VolumeStore::relabel(const std::string& name,
                          const std::map<std::string, std::string>& labels) {
  SQLite::Statement update(db_.get(), "UPDATE volumes SET labels=? WHERE name=?");
  update.bind(1, json::serialize(json::value_from(labels)));
  update.bind(2, name);
  DurableCommits durable(db_);
  update.exec();
}

std::optional<VolumeRow> VolumeStore::find(const std::string& name) {
  SQLite::Statement query(db_.get(), std::string(kColumns) + "WHERE name=?");
  query.bind(1, name);
  if (!query.executeStep()) return std::nullopt;
  return read_row(query);
}

std::vector<VolumeRow> VolumeStore::of_project(const std::string& project) {
  SQLite::Statement query(db_.get(), std::string(kColumns) + "WHERE project=? ORDER BY name");
  query.bind(1, project);
  return read_rows(query);
}

std::vector<VolumeRow> VolumeStore::list() {
  SQLite::Statement query(db_.get(), std::string(kColumns) + "ORDER BY name");
  return read_rows(query);
}

void VolumeStore::remove(const std::string& name) {
  check_name(name);
  // Renamed first and the row last: a crash in between leaves a row whose removal is repeated,
  // never half a volume under its name.
  if (::access(directory_.c_str(), F_OK) == 0) {
    Fd all = open_file(directory_, kDirectory);
    std::string doomed = kRemoved + random_hex(8);
    if (::renameat(all.get(), name.c_str(), all.get(), doomed.c_str()) != 0 && errno != ENOENT)
      throw Error::from_errno("remove the volume " + name);
    remove_renamed(all.get());
  }
  SQLite::Statement erase(db_.get(), "DELETE FROM volumes WHERE name=?");
  erase.bind(1, name);
  erase.exec();
}

void VolumeStore::populate(const std::string& name, int source) {
  auto row = find(name);
  if (!row) throw Error("populate the volume " + name + ": there is none of that name");
  if (row->populated) return;
  try {
    // Held until the row says so: another process that came in between would replace the directory
    // that our container is about to get.
    Fd volume = open_file(directory_ + "/" + name, kDirectory);
    lock(volume.get());
    if (auto now = find(name); !now || now->populated) return;  // another process was quicker
    Fd data = open_at(volume.get(), kData, kDirectory);
    if (source >= 0 && directory_entries(data.get()).empty())
      copy_beside_and_rename(volume.get(), source);
    mark_populated(name);
  } catch (Error& e) {
    throw e.add("populate the volume " + name);
  }
}

void VolumeStore::mark_populated(const std::string& name) {
  // Lost by a power cut, the next start would bring back what a container had removed.
  DurableCommits durable(db_);
  SQLite::Statement update(db_.get(), "UPDATE volumes SET populated=1 WHERE name=?");
  update.bind(1, name);
  update.exec();
}

}  // namespace pcompose::volumes
