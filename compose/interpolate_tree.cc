#include "compose/interpolate_tree.h"

#include <utility>

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
  TreeInterpolation(const Environment& environment, Diagnostics& diagnostics,
                    std::set<std::string, std::less<>>& warned)
      : environment_(environment), diagnostics_(diagnostics), warned_(warned) {}

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
    Interpolated used;
    auto lookup = [&](std::string_view name) -> std::optional<std::string> {
      auto it = environment_.find(name);
      bool known = it != environment_.end();
      used.variables.push_back({std::string(name), known ? it->second.place : Position{}, known});
      return known ? std::optional(it->second.value) : std::nullopt;
    };
    auto text = interpolate(node.text, lookup, on_unset);
    if (!text) {
      diagnostics_.error(node.origin, step == nullptr ? "" : step->str(), text.error());
      return;
    }
    auto origin = std::make_shared<Origin>(node.origin ? *node.origin : Origin{});
    used.written = std::exchange(node.text, std::move(*text));
    origin->variables = std::make_shared<const Interpolated>(std::move(used));
    node.origin = std::move(origin);
    node.plain = false;
  }

  const Environment& environment_;
  Diagnostics& diagnostics_;
  std::set<std::string, std::less<>>& warned_;
};

}  // namespace

void interpolate_tree(Node& root, const Environment& environment, Diagnostics& diagnostics,
                      std::set<std::string, std::less<>>& warned) {
  TreeInterpolation(environment, diagnostics, warned).visit(root, nullptr);
}

}  // namespace pcompose::compose
