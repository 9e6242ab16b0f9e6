// pcompose-init: PID 1 of a container with `init: true`. Starts the program, forwards signals to
// it, reaps what is left by its descendants, and ends with its status. `--pause`: of a pod's pid
// namespace, without a program.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Everything but what the kernel sends for our own faults, and SIGCHLD.
sigset_t forwarded_signals() {
  sigset_t set;
  sigfillset(&set);
  const int faults[] = {SIGFPE,  SIGILL, SIGSEGV, SIGBUS, SIGABRT,
                        SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
  for (int s : faults) sigdelset(&set, s);
  return set;
}

[[noreturn]] void run(char** argv, const sigset_t& before) {
  sigprocmask(SIG_SETMASK, &before, nullptr);
  // Its own group in the foreground, so that Ctrl-C of a terminal reaches it and not us.
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpgrp());
  signal(SIGTTOU, SIG_DFL);
  execvp(argv[0], argv);
  int error = errno;
  const char* why = strerror(error);
  const char* parts[] = {"pcompose-init: ", argv[0], ": ", why, "\n"};
  for (const char* part : parts) {
    if (write(2, part, strlen(part)) < 0) break;
  }
  _exit(error == ENOENT ? 127 : 126);
}

// Everybody in the namespace ends with us, by the kernel (pid_namespaces(7)).
int pause_and_reap() {
  sigset_t set;
  sigemptyset(&set);
  const int heard[] = {SIGCHLD, SIGTERM, SIGINT};
  for (int s : heard) sigaddset(&set, s);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  for (;;) {
    int signal_number = sigwaitinfo(&set, nullptr);
    if (signal_number == SIGTERM || signal_number == SIGINT) return 0;
    while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--pause") == 0) return pause_and_reap();
  char** program = argv + 1;
  if (argc > 1 && strcmp(argv[1], "--") == 0) ++program;
  if (*program == nullptr) return 2;
  sigset_t set = forwarded_signals();
  sigset_t before;
  sigprocmask(SIG_SETMASK, &set, &before);
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) run(program, before);
  for (;;) {
    int signal_number = sigwaitinfo(&set, nullptr);
    if (signal_number > 0 && signal_number != SIGCHLD) kill(child, signal_number);
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}
