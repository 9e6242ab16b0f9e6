#include "compose/interpolate_tree.h"

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

// The path is spelled out only where there is something to say.
struct Step {
  const Step* above;
  const std::string* key;
  size_t index;

  [[nodiscard]] std::string str() const {
    std::string before = above == nullptr ? "" : above->str();
    if (key == nullptr) return fmt::format("{}[{}]", before, index);
    return before.empty() ? *key : before + "." + *key;
  }
};

class TreeInterpolation {
 public:
  TreeInterpolation(const Lookup& lookup, Diagnostics& diagnostics,
                    std::set<std::string, std::less<>>& warned)
      : lookup_(lookup), diagnostics_(diagnostics), warned_(warned) {}

  void visit(Node& node, const Step* step) {
    if (node.tag == MergeTag::reset) return;
    if (node.is(Kind::string) && node.text.find('$') != std::string::npos) replace(node, step);
    for (Entry& entry : node.entries) {
      Step next{step, &entry.key, 0};
      visit(entry.value, &next);
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      Step next{step, nullptr, i};
      visit(node.items[i], &next);
    }
  }

 private:
  void replace(Node& node, const Step* step) {
    auto on_unset = [&](std::string_view name) {
      if (!warned_.emplace(name).second) return;
      diagnostics_.warning(
          node.origin, step == nullptr ? "" : step->str(),
          fmt::format("the variable \"{}\" is not set, an empty text takes its place", name));
    };
    auto text = interpolate(node.text, lookup_, on_unset);
    if (!text) {
      diagnostics_.error(node.origin, step == nullptr ? "" : step->str(), text.error());
      return;
    }
    node.text = std::move(*text);
    node.plain = false;
  }

  const Lookup& lookup_;
  Diagnostics& diagnostics_;
  std::set<std::string, std::less<>>& warned_;
};

}  // namespace

void interpolate_tree(Node& root, const Lookup& lookup, Diagnostics& diagnostics,
                      std::set<std::string, std::less<>>& warned) {
  TreeInterpolation(lookup, diagnostics, warned).visit(root, nullptr);
}

}  // namespace pcompose::compose
