// What a hostile image might run. Static, so that it runs in any root.
//
//   payload keyring NAME      looks for a key of the session that started the container
//   payload tiocsti           pushes a character into the terminal at its stdin
//   payload spy MILLISECONDS  looks for processes that still run a program of the host
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

int keyring(const char* name) {
  constexpr int kSearch = 10, kSession = -3;  // keyctl(2)
  long key = syscall(SYS_keyctl, kSearch, kSession, "user", name, 0);
  puts(key >= 0 ? "found" : strerror(errno));
  return 0;
}

int tiocsti() {
  puts(ioctl(0, TIOCSTI, "x") == 0 ? "pushed" : strerror(errno));
  return 0;
}

// True where the process lets itself be looked into while it runs a program that is not its own.
bool caught(const char* pid) {
  char path[64], program[256];
  snprintf(path, sizeof path, "/proc/%s/exe", pid);
  ssize_t n = readlink(path, program, sizeof program - 1);
  if (n <= 0) return false;
  program[n] = 0;
  // "/" is the whole of a mount that is attached nowhere: pcompose-runtime's of itself.
  if (strstr(program, "pcompose") == nullptr && strcmp(program, "/") != 0) return false;
  printf("%s runs %s\n", pid, program);
  snprintf(path, sizeof path, "/proc/%s/mem", pid);
  if (open(path, O_RDWR) >= 0) puts("its memory is open");
  if (ptrace(PTRACE_SEIZE, atoi(pid), nullptr, nullptr) == 0) puts("it is traced");
  return true;
}

int spy(int milliseconds) {
  timespec begun{}, now{};
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    DIR* proc = opendir("/proc");
    for (dirent* entry = readdir(proc); entry != nullptr; entry = readdir(proc)) {
      if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && caught(entry->d_name)) return 1;
    }
    closedir(proc);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 <
           milliseconds);
  puts("saw nobody");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "keyring") == 0) return keyring(argv[2]);
  if (argc == 2 && strcmp(argv[1], "tiocsti") == 0) return tiocsti();
  if (argc == 3 && strcmp(argv[1], "spy") == 0) return spy(atoi(argv[2]));
  return 2;
}
