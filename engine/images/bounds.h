// Bounds that several steps of the pipeline share.
#pragma once

#include <cstddef>
#include <fcntl.h>

namespace pcompose::engine {

// Of a manifest, an index or a configuration, bytes: what registries allow for a manifest.
inline constexpr size_t kMaxDocument = 4U << 20U;
// Indexes that name indexes.
inline constexpr int kMaxNesting = 4;
inline constexpr int kLayersAtOnce = 4;
// What is read or written in one go, bytes.
inline constexpr size_t kPiece = 256U << 10U;
// How a directory of the store is opened: never through a link that somebody put there.
inline constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace pcompose::engine
