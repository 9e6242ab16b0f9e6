// Owner of a process reference that cannot be confused by a reused pid.
#pragma once

#include <cstdint>
#include <optional>
#include <sys/types.h>

#include "base/fd.h"

namespace pcompose {

// How a process ended, as wait(2) encodes it.
class ExitStatus {
 public:
  explicit ExitStatus(int wait_status) : status_(wait_status) {}
  [[nodiscard]] int raw() const { return status_; }
  // The exit code, or 128 + signal: what a shell and docker report.
  [[nodiscard]] int code() const;
  [[nodiscard]] std::optional<int> signal() const;

 private:
  int status_;
};

class Pidfd {
 public:
  Pidfd() = default;
  explicit Pidfd(Fd fd) : fd_(std::move(fd)) {}
  // pidfd_open(2). Throws Error (ESRCH where it has gone).
  static Pidfd open(pid_t pid);

  [[nodiscard]] int get() const { return fd_.get(); }
  [[nodiscard]] Fd& fd() { return fd_; }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  // False where the process has ended already; throws Error on anything else (EPERM).
  bool send_signal(int signal) const;  // NOLINT: the signal is the effect
  // Waits for our own child without blocking the caller for long: it must have ended or been
  // killed.
  [[nodiscard]] ExitStatus wait() const;
  // The status of a process that is not our child: PIDFD_GET_INFO (6.15+, once reaped). nullopt:
  // unknown.
  [[nodiscard]] std::optional<ExitStatus> foreign_status() const;
  // True once the process has ended (poll(2) says readable).
  [[nodiscard]] bool ended() const;

 private:
  Fd fd_;
};

// Field 22 of /proc/PID/stat: clock ticks after boot. With the pid it names a process for good.
// nullopt where there is no such process (or it is a zombie).
std::optional<uint64_t> process_start_time(pid_t pid);

// Field 52 of /proc/PID/stat of a zombie nobody has reaped: its wait status (proc(5); same user or
// root).
std::optional<ExitStatus> zombie_status(pid_t pid);

}  // namespace pcompose
