#include "cli/source_excerpt.h"

#include <fstream>

namespace pcompose::cli {
namespace {

constexpr size_t kWidest = 160;  // of an excerpt, characters

std::string line_of(const Position& position) {
  std::ifstream in(position.file);
  std::string line;
  for (int number = 0; number < position.line; ++number) {
    if (!std::getline(in, line)) return "";
  }
  return line;
}

// Where the character of this number starts in bytes; its end for the one after the last.
size_t offset_of(const std::string& line, size_t character) {
  for (size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xc0U) == 0x80U) continue;
    if (character-- == 0) return i;
  }
  return character == 0 ? line.size() : std::string::npos;
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
  auto column = static_cast<size_t>(diagnostic.position.column - 1);
  size_t begin = column > kWidest / 2 ? column - kWidest / 2 : 0;
  if (line.empty() || offset_of(line, column) == std::string::npos) return text;
  make_harmless(line);
  size_t from = offset_of(line, begin), to = offset_of(line, begin + kWidest);
  std::string shown = line.substr(from, to == std::string::npos ? to : to - from);
  return text + "\n    " + shown + "\n    " + std::string(column - begin, ' ') + "^";
}

}  // namespace pcompose::cli
