// Who adds to the store of images keeps others from taking layers away that no row knows yet.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"

namespace pcompose::engine {

// A flock on STATE/images.lock: it ends with its owner, or the process.
class StoreLock {
 public:
  enum class Kind { shared, exclusive };
  // Adding: waits until nobody takes away, which is soon.
  StoreLock(const std::string& state, Kind kind);
  // Taking away: nullopt while somebody adds.
  static std::optional<StoreLock> try_exclusive(const std::string& state);

 private:
  explicit StoreLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace pcompose::engine
