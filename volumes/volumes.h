// Named volumes: directories with an owner, and the first-use copy of an image's content.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/database.h"
#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::volumes {

struct VolumeRow {
  std::string name;     // unique in the root
  std::string project;  // whose file made it
  std::string key;      // under `volumes:` there; "" = anonymous
  std::map<std::string, std::string> labels;
  bool populated = false;  // the first use is over
};

class VolumeStore {
 public:
  VolumeStore(Database& db, const Roots& roots);

  // Makes the volume or finds it. Throws Error (a volume of that name belongs to another project is
  // fine: docker only warns).
  VolumeRow ensure(const std::string& name, const std::string& project, const std::string& key,
                   const std::map<std::string, std::string>& labels);
  // Its data stays. Unknown names are fine.
  void relabel(const std::string& name, const std::map<std::string, std::string>& labels);
  [[nodiscard]] std::optional<VolumeRow> find(const std::string& name);
  [[nodiscard]] std::vector<VolumeRow> of_project(const std::string& project);
  [[nodiscard]] std::vector<VolumeRow> list();
  // Data and row. Unknown names are fine.
  void remove(const std::string& name);

  // Where its data is.
  [[nodiscard]] std::string data_path(const std::string& name) const;

  // First use: where the volume has never been used, copies what `source` (a directory of the
  // container's root, any descriptor; -1 = the image has nothing there) holds, with owners, modes,
  // times, links and extended attributes, and the owner and mode of `source` itself. All or
  // nothing, once, also between two processes and after a crash. Blocks for as long as the copy
  // takes. Call it before the volume is mounted anywhere: its empty directory is replaced. Whatever
  // comes of it, the volume counts as used from then on. Throws Error; nothing has changed then.
  void populate(const std::string& name, int source);

 private:
  void mark_populated(const std::string& name);

  Database& db_;
  std::string directory_;
};

// A detached mount of `path` (open_tree(2) with OPEN_TREE_CLONE): what a container gets. Throws
// Error naming it.
Fd mount_tree(const std::string& path);
// The same of `subpath` beneath it, a directory or a file; no link leads out of `path`. Throws
// Error where there is none.
Fd mount_subtree(const std::string& path, const std::string& subpath, bool* is_file);

// A mount by the options of docker's local driver: `type`, `o` and `device`; with `o: bind` a bind
// of `device`, which must exist. Throws Error with what the kernel says.
Fd options_tree(const std::map<std::string, std::string>& options);

// A bind source: the path must exist, or is made as a directory where `create`. Throws Error with
// the cure.
enum class Missing { create, refuse };
enum class Submounts { with, without };
Fd bind_tree(const std::string& path, Missing missing, bool* is_file,
             Submounts submounts = Submounts::with);

}  // namespace pcompose::volumes
