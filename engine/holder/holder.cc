// pcompose-holder: keeps the namespaces that all processes of an ordinary user share, and starts
// programs in them.
//
//   pcompose-holder hold SOCKET DIRECTORY   descriptor 3: to who started it (rootless/protocol.h)
//   pcompose-holder enter FD KEEP PROGRAM ARGV0 ARG...
//
// One thread, no allocation, no library: it lives as long as any of the user's containers.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/launch/rights.h"
#include "engine/rootless/protocol.h"

namespace pcompose::rootless {
namespace {

constexpr int kMaxClients = 1000;

[[noreturn]] void fail(const char* what) {
  const char* parts[] = {"pcompose-holder: ", what, ": ", strerror(errno), "\n"};
  for (const char* part : parts) {
    if (write(2, part, strlen(part)) < 0) break;
  }
  _exit(125);
}

void become_root_of_it() {
  setgroups(0, nullptr);  // not allowed, and not needed, where a single id is mapped
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) fail("become root of the user namespace");
}

[[noreturn]] void enter(char** argv) {
  int user = atoi(argv[0]);
  int keep = atoi(argv[1]);
  if (setns(user, CLONE_NEWUSER) != 0) fail("enter the user namespace");
  close(user);
  become_root_of_it();
  // Mounts of ours, and those of the host as they come and go.
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    fail("make a mount namespace");
  if (keep >= 0) fcntl(keep, F_SETFD, 0);
  execv(argv[2], argv + 3);
  fail(argv[2]);
}

void tell(char byte) {
  if (write(kStarter, &byte, 1) != 1) fail("talk to who started it");
}

// The byte of the starter, and the descriptor that came along; -1 where none did.
int hear() {
  char byte = 0;
  iovec iov{&byte, 1};
  launch::RightsBuffer<1> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  launch::expect_rights(m, control);
  if (recvmsg(kStarter, &m, MSG_CMSG_CLOEXEC) != 1) _exit(125);  // it has given up
  int fd = -1;
  return launch::take_rights(m, &fd) == 1 ? fd : -1;
}

void loopback_up() {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (s < 0 || ioctl(s, SIOCSIFFLAGS, &request) != 0) fail("loopback");
  close(s);
}

int listen_at(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path);
  }
  strcpy(address.sun_path, path);
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0 || bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(s, 64) != 0)
    fail(path);
  return s;
}

// Who may connect is who can reach the socket: a directory of the user's own, mode 0700.
void greet(int client, const int* namespaces) {
  char byte = 'n';
  iovec iov{&byte, 1};
  launch::RightsBuffer<2> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  launch::attach_rights(m, control, namespaces, 2);
  sendmsg(client, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool same_namespace(const char* pid, ino_t ours) {
  char path[64] = "/proc/";
  strcat(path, pid);
  strcat(path, "/ns/user");
  struct stat st{};
  return stat(path, &st) == 0 && st.st_ino == ours;
}

// Containers whose keeper and supervisor were killed hold no connection.
bool anybody_inside() {
  struct stat own{};
  char self[16];
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0 || stat("/proc/self/ns/user", &own) != 0) return true;
  ssize_t length = readlink("/proc/self", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  bool found = false;
  alignas(8) char block[8192];
  for (long n; !found && (n = syscall(SYS_getdents64, proc, block, sizeof block)) > 0;) {
    for (long at = 0; at < n && !found;) {
      // linux_dirent64: getdents64(2)
      unsigned short size = 0;
      memcpy(&size, block + at + 16, sizeof size);
      const char* name = block + at + 19;
      bool process = *name >= '1' && *name <= '9' && strlen(name) < 12 && strcmp(name, self) != 0;
      found = process && same_namespace(name, own.st_ino);
      at += size;
    }
  }
  close(proc);
  return found;
}

// Under the lock that everybody holds who connects: nobody is on the way to us.
bool may_end(int listener, const char* directory) {
  int d = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d >= 0 && flock(d, LOCK_EX | LOCK_NB) != 0) {
    close(d);
    return false;
  }
  pollfd waiting{listener, POLLIN, 0};
  if (poll(&waiting, 1, 0) > 0 || anybody_inside()) {
    if (d >= 0) close(d);
    return false;
  }
  return true;  // the lock goes with us
}

[[noreturn]] void serve(int listener, const char* path, const char* directory, int pasta) {
  int namespaces[2] = {open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
                       open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
  if (namespaces[0] < 0 || namespaces[1] < 0) fail("open its namespaces");
  tell(kReady);
  close(kStarter);
  pollfd fds[kMaxClients + 1];
  fds[0] = {listener, POLLIN, 0};
  int count = 1;
  for (bool used = false;;) {
    // Before the first one has come it is still on the way.
    int ready = poll(fds, static_cast<nfds_t>(count), count == 1 && used ? 200 : 60000);
    for (int i = count - 1; i > 0; --i) {
      if (fds[i].revents == 0) continue;
      close(fds[i].fd);
      fds[i] = fds[--count];
    }
    if (count <= kMaxClients && (fds[0].revents & POLLIN) != 0) {
      int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      greet(client, namespaces);
      fds[count++] = {client, 0, 0};  // its end only
      used = true;
    } else if (ready == 0 && count == 1 && may_end(listener, directory)) {
      unlink(path);
      if (pasta >= 0) syscall(SYS_pidfd_send_signal, pasta, SIGTERM, nullptr, 0);
      _exit(0);
    }
  }
}

[[noreturn]] void hold(const char* path, const char* directory) {
  signal(SIGPIPE, SIG_IGN);
  if (unshare(CLONE_NEWUSER) != 0) fail("make a user namespace");
  tell(kMapsWanted);
  hear();
  become_root_of_it();
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) fail("make the network namespace");
  loopback_up();
  // Whose ids were changed is nobody's to look into, until it says so; pasta has to.
  prctl(PR_SET_DUMPABLE, 1);
  tell(kNamespacesMade);
  int pasta = hear();
  serve(listen_at(path), path, directory, pasta);
}

}  // namespace
}  // namespace pcompose::rootless

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "hold") == 0) pcompose::rootless::hold(argv[2], argv[3]);
  if (argc >= 6 && strcmp(argv[1], "enter") == 0) pcompose::rootless::enter(argv + 2);
  return 2;
}
