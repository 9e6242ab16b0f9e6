#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose::cli {

RawTerminal::RawTerminal() {
  if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

bool has_terminal() { return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0; }

void copy_window_size(int terminal) {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(terminal, TIOCSWINSZ, &size);
}

std::string detach_keys(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t comma = text.find(',', at);
    std::string key = text.substr(at, comma == at ? 1 : comma - at);
    if (key.size() == 1) {
      out += key;
    } else if (key.size() == 6 && key.starts_with("ctrl-") && key[5] >= '@') {
      // The letter without its two highest bits: ascii(7).
      out += static_cast<char>(key[5] & 0x1f);
    } else {
      throw Error("--detach-keys: \"" + key + "\" is no key")
          .hint("write letters and ctrl-LETTER, with commas between: ctrl-p,ctrl-q");
    }
    at = comma == std::string::npos ? text.size() : comma + 1;
  }
  return out;
}

std::string DetachKeys::filter(std::string_view typed) {
  std::string out;
  for (char c : typed) {
    if (found()) break;
    if (!keys_.empty() && c == keys_[matched_]) {
      ++matched_;
      continue;
    }
    out += keys_.substr(0, matched_);
    matched_ = !keys_.empty() && c == keys_[0] ? 1 : 0;
    if (matched_ == 0) out += c;
  }
  return out;
}

}  // namespace pcompose::cli
