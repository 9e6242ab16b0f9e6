// Where a container's writable layer is put above its image's layers.
#pragma once

#include <optional>
#include <string>

namespace pcompose::engine {

enum class Storage {
  overlay,         // the kernel's overlayfs
  fuse_overlayfs,  // fuse-overlayfs(1), slower, where the kernel's refuses
  copy             // a plain directory with all that the layers hold
};

const char* storage_name(Storage storage);
// "a copy of its image": for sentences.
const char* storage_phrase(Storage storage);

// What PCOMPOSE_STORAGE says: overlay, fuse-overlayfs or copy. nullopt where it says nothing.
// Throws Error for anything else.
std::optional<Storage> storage_from_environment();

// What was chosen for a container, in its directory `state`.
struct StorageChoice {
  Storage storage = Storage::overlay;
  std::string reason;  // why it is not an overlay; "" where it was asked for
};
// nullopt where nothing was chosen yet. Throws Error.
std::optional<StorageChoice> read_storage(const std::string& state);
void write_storage(const std::string& state, const StorageChoice& choice);

// Is this how mount(2) refuses an overlay that it cannot write to, or does not know at all?
bool refuses_overlay(int error_number);

}  // namespace pcompose::engine
