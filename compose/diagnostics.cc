#include "compose/diagnostics.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace pcompose::compose {

bool Diagnostics::failed_at(const std::string& path) const {
  return std::ranges::any_of(failed_paths_, [&](const std::string& failed) {
    return failed.starts_with(path) && (failed.size() == path.size() ||
                                        failed[path.size()] == '.' || failed[path.size()] == '[');
  });
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
  throw ComposeError(std::move(sorted));
}

}  // namespace pcompose::compose
