// Child processes of ordinary programs, without a shell. Containers are not started here: see
// engine/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/pidfd.h"

namespace pcompose {

enum class Session { same, own };  // own: setsid(2), so that no terminal and no logout reaches it

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0] is the program; a path, never searched in PATH
  std::vector<std::string> environment;  // the whole environment, "K=V"
  std::vector<std::pair<int, int>>
      fds;  // (ours, the child's number); others but 0, 1, 2 are closed
  Session session = Session::same;
  std::string directory;  // "" keeps ours
  std::string program;    // "": argv[0]
};

// A running child. The destructor kills and reaps one that was neither waited for nor disowned.
class Child {
 public:
  Child(pid_t pid, Pidfd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const Pidfd& pidfd() const { return pidfd_; }
  ExitStatus wait();  // blocks
  void disown() { pid_ = -1; }
  // Disowns it and gives its reference away.
  [[nodiscard]] Pidfd release() {
    pid_ = -1;
    return std::move(pidfd_);
  }

 private:
  pid_t pid_;
  Pidfd pidfd_;
};

// posix_spawn(3). Throws Error naming the program.
Child spawn(const SpawnOptions& options);

// The environment of this process as "K=V" strings.
std::vector<std::string> current_environment();

// Finds one of our own programs: beside this executable, or in ../libexec/pcompose. Throws Error
// with both places.
std::string own_program(const std::string& name);

}  // namespace pcompose
