// Keys of an attached `up`, where a terminal is there.
#pragma once

#include <optional>
#include <string_view>
#include <termios.h>

namespace pcompose::cli {

// What --menu and COMPOSE_MENU ask for: the flag wins. Throws Error where the variable is no
// boolean.
bool menu_wanted(std::optional<bool> flag);

// Takes single keys from the terminal while it lives; signals stay. Does nothing where stdin and
// stdout are no terminal, or somebody else's at the moment.
class Menu {
 public:
  enum class Choice { none, detach };

  explicit Menu(bool wanted);
  Menu(const Menu&) = delete;
  Menu& operator=(const Menu&) = delete;
  ~Menu();

  // What was typed since the last call; does not wait.
  Choice choice();

 private:
  termios before_{};
  bool active_ = false;
};

}  // namespace pcompose::cli
