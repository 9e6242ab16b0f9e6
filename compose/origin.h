// Where a value came from, and through what.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/error.h"

namespace pcompose::compose {

// How a value came from `via` to where it stands.
enum class Way { written, alias, merge_key, extends, include, override_by, env_file };

struct Origin;
using OriginPtr = std::shared_ptr<const Origin>;

// A place in a file, and the chain that led there: an alias keeps the place of the anchor's value
// and points to the alias; an overriding value points to the one it replaced. Shared, never
// changed.
struct Origin {
  std::shared_ptr<const std::string> file;  // as it is shown to the user
  int line = 0;
  int column = 0;
  Way way = Way::written;
  OriginPtr via;

  [[nodiscard]] Position position() const { return {file ? *file : std::string(), line, column}; }
};

// The same place, reached through `via`. A chain ends after 16 links: deeper ones tell nobody
// anything.
inline OriginPtr reached(const OriginPtr& origin, Way way, OriginPtr via) {
  if (!origin) return via;
  int depth = 0;
  for (const Origin* o = via.get(); o != nullptr; o = o->via.get()) ++depth;
  if (depth >= 16) return origin;
  auto copy = std::make_shared<Origin>(*origin);
  copy->way = way;
  copy->via = std::move(via);
  return copy;
}

inline Position position_of(const OriginPtr& origin) {
  return origin ? origin->position() : Position{};
}

}  // namespace pcompose::compose
