// Cycles in a graph of names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pcompose::compose {

// Every node with its edges, each with the place in the file that draws it.
using Edges = std::map<std::string, std::map<std::string, Position>>;

struct Cycle {
  std::vector<std::string> names;         // the first again at the end: a, b, a
  Position position;                      // of the edge that closes it
  [[nodiscard]] std::string str() const;  // "a -> b -> a"
};

// The first cycle in alphabetical order; nullopt where there is none. Edges to unknown nodes are
// ignored.
std::optional<Cycle> find_cycle(const Edges& edges);

}  // namespace pcompose::compose
