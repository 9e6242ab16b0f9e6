#include "cli/menu.h"

#include <cstdlib>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/terminal.h"

namespace pcompose::cli {

bool menu_wanted(std::optional<bool> flag) {
  if (flag) return *flag;
  const char* value = std::getenv("COMPOSE_MENU");
  std::string_view text = value == nullptr ? "" : value;
  if (text == "1" || text == "true") return true;
  if (text.empty() || text == "0" || text == "false") return false;
  throw Error(fmt::format("COMPOSE_MENU is \"{}\"", text)).hint("set it to true or false");
}

Menu::Menu(bool wanted) {
  if (!wanted || !has_terminal()) return;
  pid_t foreground = ::tcgetpgrp(STDIN_FILENO);  // -1 where we do not belong to the terminal
  if (foreground >= 0 && foreground != ::getpgrp()) return;
  if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
  if (active_) fmt::print(stderr, "d: detach   Enter: empty line   Ctrl+C: stop\n");
}

Menu::~Menu() {
  if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Menu::Choice Menu::choice() {
  pollfd typed{STDIN_FILENO, POLLIN, 0};
  while (active_ && ::poll(&typed, 1, 0) > 0) {
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) != 1) return Choice::none;  // the terminal has gone
    if (key == 'd') return Choice::detach;
    if (key == '\n') fmt::print("\n");
  }
  return Choice::none;
}

}  // namespace pcompose::cli
