// Collects what is wrong with the user's files, so that all of it is said at once.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "compose/origin.h"

namespace pcompose::compose {

class Diagnostics {
 public:
  void error(const OriginPtr& origin, std::string path, std::string message) {
    failed_paths_.insert(path);
    refuse(origin, std::move(path), std::move(message));
  }
  // An error about something that is well-formed, so that other checks of the same place go on.
  void refuse(const OriginPtr& origin, std::string path, std::string message) {
    errors_.push_back({position_of(origin), std::move(path), std::move(message), Severity::error,
                       steps_to(origin)});
  }
  void error(Diagnostic diagnostic) {
    failed_paths_.insert(diagnostic.path);
    errors_.push_back(std::move(diagnostic));
  }
  void warning(const OriginPtr& origin, std::string path, std::string message) {
    warnings_.push_back({position_of(origin), std::move(path), std::move(message),
                         Severity::warning, steps_to(origin)});
  }
  // Adds the errors that were found separately, as they are or as warnings.
  void take_errors(Diagnostics other);
  void take_as_warnings(Diagnostics other);
  [[nodiscard]] bool failed() const { return !errors_.empty(); }
  // True where an error() was reported at `path` or below: what else is wrong there may be its
  // consequence.
  [[nodiscard]] bool failed_at(const std::string& path) const;
  // Throws ComposeError with all errors so far, by file and line; does nothing where there are
  // none.
  void throw_errors() const;
  [[nodiscard]] const std::vector<Diagnostic>& warnings() const { return warnings_; }

 private:
  // The includes and extends on the way; an alias or an override is in the reader's view anyway.
  static std::vector<Step> steps_to(const OriginPtr& origin);

  std::vector<Diagnostic> errors_;
  std::set<std::string> failed_paths_;
  std::vector<Diagnostic> warnings_;
};

}  // namespace pcompose::compose
