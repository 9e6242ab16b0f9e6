#include "compose/diagnostics.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <tuple>

namespace pcompose::compose {
namespace {

constexpr size_t kMaxShown = 200;  // more than anybody repairs in one go

}  // namespace

bool Diagnostics::failed_at(const std::string& path) const {
  // What begins with the path stands together in the set.
  for (auto it = failed_paths_.lower_bound(path);
       it != failed_paths_.end() && it->starts_with(path); ++it) {
    bool below =
        it->size() == path.size() || (*it)[path.size()] == '.' || (*it)[path.size()] == '[';
    if (below) return true;
  }
  return false;
}

void Diagnostics::take_errors(Diagnostics other) {
  std::ranges::move(other.errors_, std::back_inserter(errors_));
  failed_paths_.merge(other.failed_paths_);
}

void Diagnostics::take_as_warnings(Diagnostics other) {
  for (Diagnostic& d : other.errors_) {
    d.severity = Severity::warning;
    warnings_.push_back(std::move(d));
  }
}

std::vector<Step> Diagnostics::steps_to(const OriginPtr& origin) {
  std::vector<Step> out;
  for (const Origin* o = origin.get(); o != nullptr && o->via != nullptr; o = o->via.get()) {
    if (o->way == Way::extends) out.push_back({"extended at", o->via->position()});
    if (o->way == Way::include) out.push_back({"included at", o->via->position()});
  }
  return out;
}

void Diagnostics::throw_errors() const {
  if (errors_.empty()) return;
  // Files stay in the order in which they were read; a reader goes through one from top to bottom.
  std::vector<std::string> files;
  for (const auto& d : errors_) {
    if (std::ranges::find(files, d.position.file) == files.end()) files.push_back(d.position.file);
  }
  // libstdc++ 12's stable_sort does not compile without warnings, so the place in errors_ breaks
  // ties.
  std::vector<size_t> order(errors_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) {
    const Position& p = errors_[i].position;
    return std::tuple(std::ranges::find(files, p.file) - files.begin(), p.line, p.column, i);
  });
  std::vector<Diagnostic> sorted;
  for (size_t i : order) sorted.push_back(errors_[i]);
  auto same = [](const Diagnostic& a, const Diagnostic& b) { return a.str() == b.str(); };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  if (sorted.size() > kMaxShown) {
    std::string more = std::to_string(sorted.size() - kMaxShown) + " more errors are not shown";
    sorted.resize(kMaxShown);
    sorted.push_back({sorted.back().position, "", more, Severity::error});
  }
  throw ComposeError(std::move(sorted));
}

}  // namespace pcompose::compose
