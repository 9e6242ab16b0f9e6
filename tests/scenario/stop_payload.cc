// Programs that meet a stop signal in ways of their own. Static, so that they run in any root.
//
//   payload signalfd   holds it blocked and waits for a signalfd(2)
//   payload sigwait    … and sits in rt_sigtimedwait(2): /proc does not show it as blocked then
//   payload sleep MS   sleeps, then takes a handler
//   payload work MS    is busy, then takes a handler
//   payload once       gives its handler away when it is called, as Node's process.once() does
//   payload threads    two threads, none of which can receive it
//
// Each but the last says "ready" when it heeds the signal, and "stopped" a second after it came.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

namespace {

volatile sig_atomic_t signalled = 0;

void note(int) { signalled = 1; }

void sleep_for(int milliseconds) {
  timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, nullptr);
}

void be_busy_for(int milliseconds) {
  timespec begun{}, now{};
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 <
           milliseconds);
}

void ready() { puts("ready"); }

void wait_in_handler(int flags) {
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = flags;
  sigaction(SIGTERM, &action, nullptr);
  ready();
  while (signalled == 0) sleep_for(10);
}

void wait_by_descriptor(const sigset_t& signals) {
  pollfd source{signalfd(-1, &signals, 0), POLLIN, 0};
  ready();
  poll(&source, 1, -1);
}

void* wait_for_ever(void*) {
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  const char* way = argc > 1 ? argv[1] : "";
  if (strncmp(way, "sig", 3) == 0) sigprocmask(SIG_BLOCK, &signals, nullptr);
  if (strcmp(way, "signalfd") == 0) {
    wait_by_descriptor(signals);
  } else if (strcmp(way, "sigwait") == 0) {
    ready();
    sigwaitinfo(&signals, nullptr);
  } else if (strcmp(way, "sleep") == 0 && argc == 3) {
    sleep_for(atoi(argv[2]));
    wait_in_handler(0);
  } else if (strcmp(way, "work") == 0 && argc == 3) {
    be_busy_for(atoi(argv[2]));
    wait_in_handler(0);
  } else if (strcmp(way, "threads") == 0) {
    pthread_t other;
    pthread_create(&other, nullptr, wait_for_ever, nullptr);
    ready();
    wait_for_ever(nullptr);
  } else if (strcmp(way, "once") == 0) {
    wait_in_handler(static_cast<int>(SA_RESETHAND));
  } else {
    return 2;
  }
  sleep_for(1000);
  puts("stopped");
  return 0;
}
