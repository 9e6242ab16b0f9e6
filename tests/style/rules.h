// The rules: each takes one file and returns what breaks it.
#pragma once

#include <string>
#include <vector>

namespace pcompose::style {

struct SourceFile {
  std::string path;  // from the top of the tree: "engine/plan.cc"
  std::string text;
};

struct Violation {
  std::string rule;  // "include", "file-size", …: what the allow-list names
  std::string path;
  int line = 0;
  std::string what;
};

// Who may include whom (DESIGN.md). The scheduler's pure files are a room of their own in this.
std::vector<Violation> check_includes(const SourceFile& file);
// Files of at most 600 lines.
std::vector<Violation> check_file_size(const SourceFile& file);
// Functions of at most 60 lines.
std::vector<Violation> check_function_size(const SourceFile& file);
// Descriptors, processes, mounts, memory and threads belong to owners: the raw calls stand in base/
// and in the two programs without a library.
std::vector<Violation> check_calls(const SourceFile& file);
// Names that say nothing.
std::vector<Violation> check_file_name(const SourceFile& file);
// Work is finished or it is an issue, never a mark in the code.
std::vector<Violation> check_marks(const SourceFile& file);

std::vector<Violation> check_all(const SourceFile& file);

}  // namespace pcompose::style
