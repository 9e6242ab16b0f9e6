// Where a value came from, and through what.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pcompose::compose {

// How a value came from `via` to where it stands.
enum class Way { written, alias, merge_key, extends, include, override_by, env_file };

// What stood in the file before variables were replaced, and which were looked up.
struct Interpolated {
  struct Variable {
    std::string name;
    Position place;  // in an env file; unknown: the environment of this process
    bool set = false;
  };
  std::string written;
  std::vector<Variable> variables;
};

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
  std::shared_ptr<const Interpolated> variables = nullptr;  // nullptr: none stood in the value

  [[nodiscard]] Position position() const { return {file ? *file : std::string(), line, column}; }
};

// The same place, reached through `via` after all that led there before. A chain ends after 16
// links: deeper ones tell nobody anything.
inline OriginPtr reached(const OriginPtr& origin, Way way, const OriginPtr& via, int depth = 0) {
  if (!origin) return via;
  if (!via || depth > 16) return origin;
  auto copy = std::make_shared<Origin>(*origin);
  if (origin->via) {
    copy->via = reached(origin->via, way, via, depth + 1);
  } else {
    copy->way = way;
    copy->via = via;
  }
  return copy;
}

inline Position position_of(const OriginPtr& origin) {
  return origin ? origin->position() : Position{};
}

}  // namespace pcompose::compose
