// What secrets and configs hold: read where a container starts, never written down.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/fd.h"
#include "compose/project.h"

namespace pcompose::scheduler {

enum class MaterialKind { secret, config };

// Values that came from the client's environment live in sealed memfds, which the keeper holds.
class Materials {
 public:
  // `store` hands a descriptor to the keeper under a name.
  using Store = std::function<void(const std::string& name, int fd)>;
  explicit Materials(Store store) : store_(std::move(store)) {}

  // By "secrets.KEY" or "configs.KEY".
  void put(const std::string& name, const std::string& content);
  // What an earlier supervisor's keeper still holds.
  void restore(const std::string& kept_name, Fd memory) { held_[kept_name] = std::move(memory); }
  void hand_to_keeper() const;

  // Throws Error at the place in the file where there is no such thing, or it cannot be read.
  [[nodiscard]] std::string content(const compose::Project& project, MaterialKind kind,
                                    const compose::Grant& grant) const;

  // compose::config_hash, with what the service's grants hold: keyed by a secret of the root, so
  // that the hash gives no secret away.
  [[nodiscard]] std::string config_hash(const compose::Service& service,
                                        const compose::Project& project,
                                        const std::string& key) const;

 private:
  Store store_;
  std::map<std::string, Fd> held_;  // by the keeper's name for it
};

// 32 random bytes that belong to the root; made where they are missing. Throws Error.
std::string hash_key(const std::string& state_directory);

}  // namespace pcompose::scheduler
