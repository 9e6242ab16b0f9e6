// The names that config.json and the command line use for numbers of the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

// "CAP_CHOWN", also "chown"; nothing where the kernel's headers know no such capability.
std::optional<int> capability_number(std::string_view name);
const std::vector<std::string>& capability_names();  // by number

// "RLIMIT_NOFILE".
std::optional<int> rlimit_number(std::string_view name);

// "TERM", "SIGTERM", "15", "SIGRTMIN+3".
std::optional<int> signal_number(std::string_view name);

// "network" is CLONE_NEWNET.
std::optional<uint64_t> namespace_flag(std::string_view name);
const std::vector<std::pair<std::string, uint64_t>>& namespace_names();

// MPOL_… and MPOL_F_… of set_mempolicy(2).
struct NamedNumber {
  const char* name;
  int number;
};
std::span<const NamedNumber> memory_modes();
std::span<const NamedNumber> memory_flags();

// "0-3,5" as bits, lowest byte first; nothing where it is no such list.
std::optional<std::string> processor_bits(std::string_view list);

// What one option of a mount means; unknown ones are the file system's own.
struct MountOption {
  enum class Kind {
    flag,         // set or clear `bits` of MS_…, and of a bind `attributes` of MOUNT_ATTR_…
    recursive,    // set or clear `attributes` of the mount and all beneath it
    propagation,  // `bits` of MS_…, `all` where it is recursive
    bind,         // `all` for rbind
    copy_up,
    idmap,  // `all` for ridmap
    nothing
  };
  const char* name;
  Kind kind;
  uint64_t bits = 0;
  uint64_t attributes = 0;
  bool clear = false;
  bool all = false;
};
const MountOption* mount_option(std::string_view name);
const std::vector<MountOption>& mount_options();

}  // namespace pcompose::engine::runtime
