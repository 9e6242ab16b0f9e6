// --format templates: the part of Go's text/template that docker's formats need.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace pcompose::cli {

// Knows {{.Field}}, {{.A.B}}, {{.Label "key"}}, pipes, if, else, range, end, and the functions
// json, upper, lower, title, join, split, pad, truncate, len, println. Backslash-t and backslash-n
// outside of {{ }} are tab and newline, as docker reads them.
class Template {
 public:
  // Throws Error saying what is wrong and where.
  explicit Template(const std::string& text);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // Throws Error for a field that the row does not have.
  [[nodiscard]] std::string expand(const json::object& row) const;
  // The names of the fields in capitals, in the same shape: of "table TEMPLATE".
  [[nodiscard]] std::string header() const;

  struct Node;

 private:
  std::vector<Node> nodes_;
};

// What is printed of `rows` for "table TEMPLATE" (columns under a header) or TEMPLATE (a line a
// row). Throws Error.
std::string format_rows(const std::string& format, const std::vector<json::object>& rows);

}  // namespace pcompose::cli
