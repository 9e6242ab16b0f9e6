// Splits a command written as one string, without a shell.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::compose {

struct ShellWords {
  std::vector<std::string> words;
  // From the unquoted ; & | < or > that ended the command, "" where none did. Docker Compose drops
  // it.
  std::string dropped;
};

// Quotes and backslashes as in sh; \n and \t stand for newline and tab. No variables, no globs. The
// error says what is not closed.
std::expected<ShellWords, std::string> split_words(std::string_view line);

}  // namespace pcompose::compose
