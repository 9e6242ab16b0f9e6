#include "compose/cycle.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pcompose::compose {
namespace {

enum class State { open, done };

// Depth first, with an explicit stack: a chain of ten thousand services must not end in a stack
// overflow.
class Search {
 public:
  explicit Search(const Edges& edges) : edges_(edges) {}

  std::optional<Cycle> run() {
    for (const auto& [name, targets] : edges_) {
      if (states_.contains(name)) continue;
      if (auto cycle = from(name)) return cycle;
    }
    return std::nullopt;
  }

 private:
  struct Frame {
    const std::string* name;
    std::map<std::string, Position>::const_iterator next, end;
  };

  void enter(const std::string& name) {
    const auto& targets = edges_.find(name)->second;
    states_[name] = State::open;
    stack_.push_back({&edges_.find(name)->first, targets.begin(), targets.end()});
  }

  std::optional<Cycle> from(const std::string& start) {
    enter(start);
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      if (frame.next == frame.end) {
        states_[*frame.name] = State::done;
        stack_.pop_back();
        continue;
      }
      const auto& [target, position] = *frame.next++;
      auto state = states_.find(target);
      if (state != states_.end() && state->second == State::open)
        return closed_by(target, position);
      if (state == states_.end() && edges_.contains(target)) enter(target);
    }
    return std::nullopt;
  }

  [[nodiscard]] Cycle closed_by(const std::string& target, const Position& position) const {
    Cycle cycle;
    cycle.position = position;
    auto first = std::ranges::find_if(stack_, [&](const Frame& f) { return *f.name == target; });
    for (auto it = first; it != stack_.end(); ++it) cycle.names.push_back(*it->name);
    cycle.names.push_back(target);
    return cycle;
  }

  const Edges& edges_;
  std::map<std::string, State> states_;
  std::vector<Frame> stack_;
};

}  // namespace

std::string Cycle::str() const { return fmt::format("{}", fmt::join(names, " -> ")); }

std::optional<Cycle> find_cycle(const Edges& edges) { return Search(edges).run(); }

}  // namespace pcompose::compose
