#include "engine/storage.h"

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {
namespace {

constexpr Storage kAll[] = {Storage::overlay, Storage::fuse_overlayfs, Storage::copy};

constexpr const char* kFile = "/storage";  // a line with the name, a line with the reason

std::optional<Storage> storage_called(std::string_view name) {
  for (Storage storage : kAll)
    if (name == storage_name(storage)) return storage;
  return std::nullopt;
}

}  // namespace

const char* storage_name(Storage storage) {
  switch (storage) {
    case Storage::overlay:
      return "overlay";
    case Storage::fuse_overlayfs:
      return "fuse-overlayfs";
    case Storage::copy:
      break;
  }
  return "copy";
}

const char* storage_phrase(Storage storage) {
  return storage == Storage::copy ? "a copy of its image" : storage_name(storage);
}

std::optional<Storage> storage_from_environment() {
  const char* value = std::getenv("PCOMPOSE_STORAGE");
  if (value == nullptr || *value == '\0') return std::nullopt;
  if (auto storage = storage_called(value)) return storage;
  throw Error(fmt::format("PCOMPOSE_STORAGE is \"{}\"", value))
      .hint("set it to overlay, fuse-overlayfs or copy, or to nothing");
}

std::optional<StorageChoice> read_storage(const std::string& state) {
  std::string file = state + kFile;
  if (::access(file.c_str(), F_OK) != 0) return std::nullopt;
  std::string text = read_file(file);
  size_t line = text.find('\n');
  auto storage = storage_called(text.substr(0, line));
  if (!storage || line == std::string::npos) throw Error(file + " names no storage");
  return StorageChoice{*storage, text.substr(line + 1)};
}

void write_storage(const std::string& state, const StorageChoice& choice) {
  replace_file(state + kFile, fmt::format("{}\n{}", storage_name(choice.storage), choice.reason),
               0600);
}

bool refuses_overlay(int error_number) {
  // EINVAL: the upper directory lacks what it takes, or overlays are stacked too high. EPERM: an
  // ordinary user before Linux 5.11. ENODEV: the kernel has none.
  return error_number == EINVAL || error_number == EPERM || error_number == ENODEV ||
         error_number == EOPNOTSUPP;
}

}  // namespace pcompose::engine
