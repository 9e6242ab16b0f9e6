#include "engine/keeper/clone.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/keeper/protocol.h"
#include "engine/launch/kernel_abi.h"

namespace pcompose::keeper {

using launch::CloneArguments;

int64_t monotonic_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
}

// Only what the clone itself needs; the rest is the child's.
long clone_child(const launch::PlanHeader& head, int* pidfd) {
  CloneArguments arguments{};
  arguments.flags = head.clone_flags | launch::kClonePidfd | launch::kCloneClearSignalHandlers;
  arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  // Who comes after us launches this container anew, and two must not mount one upper directory:
  // overlayfs empties the work directory that the other one lives by. Taken back before exec.
  if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  return pid;
}

const uint8_t* map_memfd(int fd, uint32_t* size) {
  struct stat st{};
  if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > launch::kMaxPlanBytes) return nullptr;
  *size = static_cast<uint32_t>(st.st_size);
  void* at = mmap(nullptr, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<const uint8_t*>(at);
}

long start_program(char** argv, char** environment, int socket, int* pidfd) {
  CloneArguments arguments{};
  arguments.flags = launch::kClonePidfd | launch::kCloneClearSignalHandlers;
  arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid != 0) return pid;
  if (socket == kSupervisorFd) fcntl(kSupervisorFd, F_SETFD, 0);
  if (socket != kSupervisorFd) dup2(socket, kSupervisorFd);
  syscall(SYS_close_range, 4U, ~0U, 0);
  execve(argv[0], argv, environment);
  _exit(127);
}

void leave_the_starter() {
  setsid();
  const int ignored[] = {SIGHUP, SIGPIPE, SIGINT, SIGQUIT};
  for (int number : ignored) signal(number, SIG_IGN);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; ++i) dup2(null, i);
  if (null > 2) close(null);
}

}  // namespace pcompose::keeper
