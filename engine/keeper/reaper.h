// The keeper as the parent of whoever loses his own.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace pcompose::keeper {

// An OCI runtime of others leaves its container to us (prctl(2), PR_SET_CHILD_SUBREAPER). The
// handler of SIGCHLD is there only so that epoll_wait(2) returns.
inline void be_the_reaper() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  struct sigaction wake{};
  wake.sa_handler = [](int) {};
  wake.sa_flags = SA_RESTART;
  sigaction(SIGCHLD, &wake, nullptr);
}

// Takes the ends of processes that nobody waits for. `is_known(pid)`: an event of its own will
// come.
template <class IsKnown>
void reap_orphans(IsKnown is_known) {
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 || info.si_pid == 0 ||
        is_known(info.si_pid))
      return;
    waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG | __WALL);
  }
}

}  // namespace pcompose::keeper
