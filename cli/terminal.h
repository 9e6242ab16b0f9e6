// Our side of a terminal.
#pragma once

#include <string>
#include <termios.h>

#include "base/fd.h"

namespace pcompose::cli {

// Our terminal in raw mode while it lives; nothing where stdin is none.
class RawTerminal {
 public:
  RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  termios before_{};
  bool active_ = false;
};

// Both stdin and stdout are one.
bool has_terminal();

// Gives the size of our terminal's window to another's.
void copy_window_size(int terminal);

// "ctrl-p,ctrl-q" or "a,ctrl-\\" as bytes. Throws Error.
std::string detach_keys(const std::string& text);

// Finds the keys in what is typed, however it is cut into pieces.
class DetachKeys {
 public:
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
  // What of `typed` is to be passed on; `found()` from the last key on. A prefix of the keys is
  // held back until it is known to be none.
  std::string filter(std::string_view typed);
  [[nodiscard]] bool found() const { return !keys_.empty() && matched_ == keys_.size(); }

 private:
  std::string keys_;
  size_t matched_ = 0;
};

}  // namespace pcompose::cli
