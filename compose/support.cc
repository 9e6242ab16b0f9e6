#include "compose/support.h"

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

using Places = std::set<std::string>;

void collect(const Node& node, Places& out) {
  // A mapping stands where its first key does.
  bool mapping = node.is(Kind::mapping);
  if (node.origin && !mapping) out.insert(node.origin->position().str());
  for (const Node& item : node.items) collect(item, out);
  for (const Entry& entry : node.entries) {
    if (entry.origin) out.insert(entry.origin->position().str());
    collect(entry.value, out);
  }
}

}  // namespace

void report_unsupported_uses(const std::vector<UnsupportedUse>& uses, const Node& root,
                             const std::set<std::string>& needed, Unsupported unsupported,
                             Diagnostics& diagnostics) {
  if (uses.empty()) return;
  Places wanted, there;
  for (const Entry& section : root.entries) {
    if (section.key != "services") {
      wanted.insert(section.origin->position().str());
      collect(section.value, wanted);
      continue;
    }
    for (const Entry& service : section.value.entries)
      collect(service.value, needed.contains(service.key) ? wanted : there);
  }
  for (const UnsupportedUse& use : uses) {
    std::string place = position_of(use.origin).str();
    constexpr std::string_view text = "is not supported by pcompose yet";
    if (wanted.contains(place) && unsupported == Unsupported::refuse) {
      diagnostics.refuse(use.origin, use.path, fmt::format("{}; remove it to go on without", text));
    } else if (wanted.contains(place) || there.contains(place)) {
      diagnostics.warning(use.origin, use.path, fmt::format("{}, it has no effect", text));
    }
  }
}

}  // namespace pcompose::compose
