#include "engine/keeper/handover.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace pcompose::keeper {
namespace {

template <class T>
bool put(int fd, const T& value) {
  return write(fd, &value, sizeof value) == static_cast<ssize_t>(sizeof value);
}

template <class T>
bool take(int fd, T& value) {
  return read(fd, &value, sizeof value) == static_cast<ssize_t>(sizeof value);
}

void set(int fd, OnExec how) {
  if (fd > 0) fcntl(fd, F_SETFD, how == OnExec::closes ? FD_CLOEXEC : 0);
}

}  // namespace

int write_handover(Handover head, Processes& processes, Descriptors& descriptors) {
  processes.all([&](Process&) { ++head.processes; });
  descriptors.each([&](Descriptor&) { ++head.descriptors; });
  int memory = memfd_create("keeper", 0);
  bool fine = memory >= 0 && put(memory, head);
  processes.all([&](Process& p) { fine = fine && put(memory, p); });
  descriptors.each([&](Descriptor& d) { fine = fine && put(memory, d); });
  if (fine && lseek(memory, 0, SEEK_SET) == 0) return memory;
  if (memory >= 0) close(memory);
  return -1;
}

bool read_handover(int memory, Handover& head, Processes& processes, Descriptors& descriptors) {
  if (!take(memory, head) || head.version != kHandoverVersion) return false;
  for (uint32_t i = 0; i < head.processes; ++i) {
    Process saved;
    if (!take(memory, saved)) return false;
    Process* p = processes.add(saved.name);
    if (p != nullptr) *p = saved;
  }
  for (uint32_t i = 0; i < head.descriptors; ++i) {
    Descriptor saved;
    if (!take(memory, saved)) return false;
    descriptors.add(saved.name, saved.fd);
  }
  return true;
}

void execute_successor(char** own_argv, int memory, char** supervisor_argv, char** environment) {
  char number[12] = {};
  int digits = 0;
  for (int rest = memory; rest > 0; rest /= 10) ++digits;
  for (int rest = memory; rest > 0; rest /= 10)
    number[--digits] = static_cast<char>('0' + rest % 10);
  constexpr int kMost = 16;
  char resume[] = "--resume";
  char* argv[kMost + 5] = {own_argv[0], own_argv[1], resume, number};
  for (int i = 0; i < kMost && supervisor_argv[i] != nullptr; ++i) argv[4 + i] = supervisor_argv[i];
  execve(own_argv[0], argv, environment);
}

void give_up_parked(Processes& processes) {
  processes.each([](Process& p) {
    if (p.state != State::launching && p.state != State::parked && p.state != State::starting)
      return;
    syscall(SYS_pidfd_send_signal, p.pidfd, SIGKILL, nullptr, 0);
    p.state = State::failed;
  });
}

void set_on_exec(OnExec how, const Handover& head, Processes& processes, Descriptors& descriptors) {
  set(head.socket_fd, how);
  set(head.supervisor_pidfd, how);
  processes.all([&](Process& p) {
    set(p.pidfd, how);
    set(p.channel, how);
  });
  descriptors.each([&](Descriptor& d) { set(d.fd, how); });
}

}  // namespace pcompose::keeper
