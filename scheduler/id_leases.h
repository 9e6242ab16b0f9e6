// Ranges of ids that containers with a user namespace of their own have, each its own, so that one
// that breaks out can do nothing to another's files and processes.
#pragma once

#include <optional>
#include <string>

#include "base/database.h"
#include "engine/container_ids.h"

namespace pcompose::scheduler {

class IdLeases {
 public:
  explicit IdLeases(Database& db);

  // What `owner` (project/container name) has since an earlier time: files that it wrote belong to
  // it.
  [[nodiscard]] std::optional<engine::IdRange> find(const std::string& owner);
  // `size` ids of `all` for `owner`, the same as before where the size is. Ranges of containers
  // that are gone are given to others only where nothing else is left. Throws Error.
  engine::IdRange take(const std::string& owner, uint32_t size, engine::IdRange all);

 private:
  std::optional<engine::IdRange> free_range(uint32_t size, engine::IdRange all);
  void forget_gone();

  Database& db_;
};

}  // namespace pcompose::scheduler
