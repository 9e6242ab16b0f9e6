#include "cli/source_excerpt.h"

#include <algorithm>
#include <fstream>

namespace pcompose::cli {
namespace {

constexpr size_t kWidest = 160;  // of an excerpt, bytes

std::string line_of(const Position& position) {
  std::ifstream in(position.file);
  std::string line;
  for (int number = 0; number < position.line; ++number) {
    if (!std::getline(in, line)) return "";
  }
  return line;
}

// What the terminal would do on its own with control characters is not the file's to decide.
void make_harmless(std::string& line) {
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
}

}  // namespace

std::string with_excerpt(const Diagnostic& diagnostic) {
  std::string text = diagnostic.str();
  if (diagnostic.position.line <= 0 || diagnostic.position.column <= 0) return text;
  std::string line = line_of(diagnostic.position);
  auto at = static_cast<size_t>(diagnostic.position.column - 1);
  if (line.empty() || at > line.size()) return text;
  make_harmless(line);
  size_t begin = at > kWidest / 2 ? at - kWidest / 2 : 0;
  line = line.substr(begin, kWidest);
  // A character of several bytes is one column wide, roughly.
  auto columns =
      std::count_if(line.begin(), line.begin() + static_cast<ptrdiff_t>(at - begin),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
  return text + "\n    " + line + "\n    " + std::string(static_cast<size_t>(columns), ' ') + "^";
}

}  // namespace pcompose::cli
