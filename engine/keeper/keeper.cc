// The keeper: parent of every container of one project, and the store of its descriptors.
//
//   pcompose-keeper RUNDIR SUPERVISOR ARG...   starts SUPERVISOR ARG..., again whenever it dies
//   pcompose-keeper RUNDIR --adopt             for a supervisor whose keeper died; 3 is its socket
//
// Descriptor 3 of a fresh keeper is the project's listening control socket. One thread, no
// allocation, no library: it must outlive everything else here.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/keeper/clone.h"
#include "engine/keeper/handover.h"
#include "engine/keeper/protocol.h"
#include "engine/keeper/read_only_self.h"
#include "engine/keeper/reaper.h"
#include "engine/keeper/tables.h"
#include "engine/launch/child.h"
#include "engine/launch/kernel_abi.h"
#include "engine/launch/rights.h"

namespace pcompose::keeper {
namespace {

using launch::Phase;
using launch::Report;

enum class Source : uint32_t { supervisor_socket = 1, supervisor_process, process, channel };

Processes processes;
Descriptors descriptors;

int epoll_fd = -1;
int socket_fd = 0;         // to the supervisor; 0 while there is none
int supervisor_pidfd = 0;  // watched whether it is our child or not
int supervisor_pid = 0;
bool supervisor_is_child = false;
bool quitting = false;
bool bereaved = false;  // what we read is a dead supervisor's
int journal_fd = -1;
char** own_argv = nullptr;
char** supervisor_argv = nullptr;
char** environment = nullptr;
int64_t backoff_ms = 0;
int64_t restart_at_ms = 0;  // 0: a supervisor lives
int64_t supervisor_started_ms = 0;

alignas(16) uint8_t buffer[sizeof(Message) + kMaxInline];
using Control = launch::RightsBuffer<launch::kMaxPlanFds + 1>;
int received[launch::kMaxPlanFds + 1];

void watch(int fd, Source source, uint32_t index) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(source) << 32U | index;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

// A descriptor that was sent to the supervisor stays open there, and with it its place in the epoll
// set: close(2) alone would leave events for a slot that is someone else's by then.
void release(int& fd) {
  if (fd <= 0) return;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, nullptr);
  close(fd);
  fd = 0;
}

// Blocks for as long as the socket's send timeout. A supervisor that has not read for that long is
// stuck, and reaping must go on: it is killed, and LIST brings the next one up to date.
void tell(const Message& message, int fd) {
  if (socket_fd <= 0) return;
  Message copy = message;
  iovec iov{&copy, sizeof copy};
  launch::RightsBuffer<1> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  attach_rights(m, control, &fd, fd > 0 ? 1 : 0);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_fd, &m, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == EAGAIN) {
    syscall(SYS_pidfd_send_signal, supervisor_pidfd, SIGKILL, nullptr, 0);
    release(socket_fd);
  }
}

Message about(Type type, const Process& p) {
  Message m;
  m.type = type;
  m.a = p.pid;
  memcpy(m.name, p.name, sizeof m.name);
  return m;
}

void journal(const Process& p) {
  JournalEntry entry;
  memcpy(entry.name, p.name, sizeof entry.name);
  entry.pid = p.pid;
  entry.status = p.status;
  entry.start_time = p.start_time;
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  entry.ended_realtime =
      static_cast<uint64_t>(t.tv_sec) * 1000000000U + static_cast<uint64_t>(t.tv_nsec);
  if (write(journal_fd, &entry, sizeof entry) < 0)
    return;  // a full tmpfs must not stop the reaping
}

void fail(Process& p, int op, int error) {
  Message m = about(Type::failed, p);
  m.a = op;
  m.b = error;
  m.c = p.state == State::launching ? 0 : 1;
  p.state = State::failed;  // its end is not news: the failure was
  tell(m, -1);
}

void begin(Process& p, const uint8_t* plan, int fd_count) {
  int channel[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
    return fail(p, -1, errno);
  launch::PlanHeader head;
  memcpy(&head, plan, sizeof head);
  int pidfd = -1;
  long pid = clone_child(head, &pidfd);
  if (pid == 0) {
    launch::ChildStart start;
    start.plan = plan;
    start.fds = received;
    start.fd_count = fd_count;
    start.channel = channel[1];
    launch::run_child(start);
  }
  int error = errno;
  close(channel[1]);
  if (pid < 0) {
    close(channel[0]);
    return fail(p, -1, error);
  }
  p.pid = static_cast<int32_t>(pid);
  p.pidfd = pidfd;
  p.channel = channel[0];
  p.start_time = start_time_of(p.pid);
  watch(p.channel, Source::channel, processes.index(p));
  watch(p.pidfd, Source::process, processes.index(p));
}

// A supervisor that died in a launch left a child of this name; its successor launches anew. The
// old one must neither take the new one's start nor be told of as its end.
void give_up(const char* name) {
  Process* old = processes.find(name);
  if (old == nullptr || old->state == State::ended) return;
  syscall(SYS_pidfd_send_signal, old->pidfd, SIGKILL, nullptr, 0);
  old->state = State::failed;
}

void refuse(const Message& m, int error) {
  Message answer = m;
  answer.type = Type::failed;
  answer.a = -1;
  answer.b = error;
  tell(answer, -1);
}

void on_launch(const Message& m, uint32_t size, int fd_count) {
  give_up(m.name);
  Process* p = processes.add(m.name);
  if (p == nullptr) return refuse(m, EMFILE);
  p->state = State::launching;
  const uint8_t* plan = buffer + sizeof(Message);
  if (m.a == 1) plan = fd_count > 0 ? map_memfd(received[fd_count - 1], &size) : nullptr;
  int plan_fds = m.a == 1 ? fd_count - 1 : fd_count;
  if (plan != nullptr && launch::plan_is_sound(plan, size, plan_fds)) {
    begin(*p, plan, plan_fds);
  } else {
    fail(*p, -1, EINVAL);
  }
  if (p->pid == 0) processes.remove(*p);  // nothing was cloned
  if (m.a == 1 && plan != nullptr) munmap(const_cast<uint8_t*>(plan), size);
}

// The start plan goes on to the parked child as it came.
void on_start(const Message& m, uint32_t size, int fd_count) {
  Process* p = processes.find(m.name);
  // It ended meanwhile, or was another keeper's.
  if (p == nullptr || p->state != State::parked) return refuse(m, ESRCH);
  static Control control;
  uint32_t memfd_size = 0;
  iovec iov{buffer + sizeof(Message), size};
  if (m.a == 1) {
    struct stat st{};
    if (fd_count == 0 || fstat(received[fd_count - 1], &st) != 0) return fail(*p, -1, EINVAL);
    memfd_size = static_cast<uint32_t>(st.st_size);
    iov = {&memfd_size, sizeof memfd_size};
  }
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  attach_rights(message, control, received, fd_count);
  p->state = State::starting;
  if (sendmsg(p->channel, &message, MSG_NOSIGNAL) < 0) fail(*p, -1, errno);
}

// The channel closed: by exec (it is close-on-exec), or with the child.
void on_channel_end(Process& p) {
  release(p.channel);
  if (p.state != State::starting && p.state != State::launching) return;
  // Dead before exec without a report: killed (out of memory, a signal). Its end tells the rest.
  p.state = State::running;
  tell(about(Type::started, p), p.pidfd);
}

// fork_sibling: the process that matters is our new child; the one that entered the namespaces
// ends.
void on_sibling(Process& p, int pid) {
  Process first = p;
  release(p.pidfd);
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(first.pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  p.pid = pid;
  p.pidfd = static_cast<int>(
      syscall(SYS_pidfd_open, pid, 0));  // our child, not reaped: the pid is its own
  p.start_time = start_time_of(pid);
  watch(p.pidfd, Source::process, processes.index(p));
}

void on_channel(Process& p) {
  Report report;
  iovec iov{&report, sizeof report};
  launch::RightsBuffer<1> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  expect_rights(m, control);
  ssize_t n = recvmsg(p.channel, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n != static_cast<ssize_t>(sizeof report)) return on_channel_end(p);
  int fd = -1;
  launch::take_rights(m, &fd);
  if (p.state == State::failed) report.phase = Phase::failed;  // given up: nothing it says counts
  switch (report.phase) {
    case Phase::parked:
      p.state = State::parked;
      tell(about(Type::parked, p), p.pidfd);
      break;
    case Phase::failed:
      if (p.state != State::failed) fail(p, report.op, report.error);
      break;
    case Phase::sibling:
      on_sibling(p, report.op);
      break;
    case Phase::pty:
      tell(about(Type::terminal, p), fd);
      break;
    case Phase::waiting:
    case Phase::listener:
      fail(p, report.op, EPROTO);  // stages of other launchers: no plan of ours has them
      break;
  }
  if (fd >= 0) close(fd);
}

// exec and an immediate end can both be pending; the channel comes first, or "started" would follow
// "exited".
void drain_channel(Process& p) {
  while (p.channel > 0) {
    int before = p.channel;
    char peek = 0;
    if (recv(before, &peek, 1, MSG_PEEK | MSG_DONTWAIT) < 0) return;
    on_channel(p);
  }
}

// An event may be about a pidfd that this slot no longer holds (the same batch brought its
// sibling).
bool has_ended(const Process& p) {
  pollfd poll_one{p.pidfd, POLLIN, 0};
  return poll(&poll_one, 1, 0) > 0;
}

void on_process_end(Process& p) {
  int pid = p.pid;
  if (!has_ended(p)) return;
  drain_channel(p);
  if (p.pid != pid) return;  // a sibling took over; its own end will come
  siginfo_t info{};
  if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(p.pidfd), &info, WEXITED | __WALL) ==
      0) {
    p.status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    p.status_known = true;
  }  // else: another keeper's child, whose status the supervisor finds by its pidfd
  release(p.pidfd);
  release(p.channel);
  if (p.state == State::failed) return processes.remove(p);
  p.state = State::ended;
  journal(p);
  Message m = about(Type::exited, p);
  m.b = p.status;
  m.c = p.status_known ? 1 : 0;
  tell(m, -1);
}

bool is_known(int pid) { return pid == supervisor_pid || processes.expects(pid); }

// ---- the supervisor

void set_send_timeout() {
  timeval limit{5, 0};
  setsockopt(socket_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

void start_supervisor() {
  restart_at_ms = monotonic_ms() + 1000;  // where anything below fails
  int pair[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return;
  int pidfd = -1;
  supervisor_started_ms = monotonic_ms();
  long pid = start_program(supervisor_argv, environment, pair[1], &pidfd);
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return;
  }
  restart_at_ms = 0;
  socket_fd = pair[0];
  set_send_timeout();
  supervisor_pidfd = pidfd;
  supervisor_pid = static_cast<int>(pid);
  supervisor_is_child = true;
  watch(socket_fd, Source::supervisor_socket, 0);
  watch(supervisor_pidfd, Source::supervisor_process, 0);
}

void on_socket();

// Its last messages: the next one needs what it stored, and after `quit` there is none. Before them
// comes, once, that it died with messages of ours unread (ECONNRESET).
void read_the_rest() {
  for (char peek = 0; socket_fd > 0;) {
    ssize_t n = recv(socket_fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) on_socket();
    if (n == 0 || (n < 0 && errno != ECONNRESET)) return;
  }
}

void on_supervisor_end() {
  bereaved = true;
  read_the_rest();
  bereaved = false;
  siginfo_t info{};
  if (supervisor_is_child)
    waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(supervisor_pidfd), &info, WEXITED);
  release(supervisor_pidfd);
  release(socket_fd);
  if (quitting) _exit(0);
  // One that lived is replaced at once; one that dies by itself again and again must not spin.
  // SIGKILL is somebody else's doing (or want of memory): the containers are not left alone long.
  bool lived = monotonic_ms() - supervisor_started_ms > 2000;
  bool killed = supervisor_is_child && info.si_code == CLD_KILLED && info.si_status == SIGKILL;
  backoff_ms = lived || backoff_ms == 0 ? (lived ? 0 : 10) : backoff_ms * 2;
  const int64_t longest = killed ? 20 : 5000;
  if (backoff_ms > longest) backoff_ms = longest;
  restart_at_ms = monotonic_ms() + backoff_ms;
}

void on_list() {
  processes.each([](Process& p) {
    Message m = about(Type::entry_process, p);
    m.b = p.status;
    m.c = static_cast<uint64_t>(p.state) | (p.status_known ? 1U << 8U : 0U);
    tell(m, p.pidfd);
  });
  descriptors.each([](Descriptor& d) {
    Message m;
    m.type = Type::entry_descriptor;
    memcpy(m.name, d.name, sizeof m.name);
    tell(m, d.fd);
  });
  Message m;
  m.type = Type::end;
  tell(m, -1);
}

void on_adopt(const Message& m, int& pidfd) {
  Process* p = processes.add(m.name);
  if (p == nullptr) return;
  p->pid = m.a;
  p->start_time = m.c;
  p->pidfd = pidfd;
  p->state = State::running;
  pidfd = -1;
  watch(p->pidfd, Source::process, processes.index(*p));
}

Handover present() {
  Handover head;
  head.plan_magic = launch::kPlanMagic;
  head.socket_fd = socket_fd;
  head.supervisor_pidfd = supervisor_pidfd;
  head.supervisor_pid = supervisor_pid;
  head.supervisor_is_child = supervisor_is_child ? 1 : 0;
  return head;
}

// Returns only where the program cannot be executed: then all is as before.
void hand_over() {
  int memory = write_handover(present(), processes, descriptors);
  if (memory < 0) return;
  set_on_exec(OnExec::stays, present(), processes, descriptors);
  execute_successor(own_argv, memory, supervisor_argv, environment);
  set_on_exec(OnExec::closes, present(), processes, descriptors);
  close(memory);
}

void take_over(int memory) {
  Handover head;
  if (!read_handover(memory, head, processes, descriptors)) _exit(4);  // the supervisor goes on
  close(memory);
  socket_fd = head.socket_fd;
  supervisor_pidfd = head.supervisor_pidfd;
  supervisor_pid = head.supervisor_pid;
  supervisor_is_child = head.supervisor_is_child != 0;
  supervisor_started_ms = monotonic_ms();
  set_on_exec(OnExec::closes, present(), processes, descriptors);
  if (head.plan_magic != launch::kPlanMagic) give_up_parked(processes);
  if (socket_fd > 0) watch(socket_fd, Source::supervisor_socket, 0);
  if (supervisor_pidfd > 0) watch(supervisor_pidfd, Source::supervisor_process, 0);
  processes.all([](Process& p) {
    if (p.channel > 0) watch(p.channel, Source::channel, processes.index(p));
    if (p.pidfd > 0) watch(p.pidfd, Source::process, processes.index(p));
  });
}

void handle(const Message& m, uint32_t size, int fd_count) {
  if (bereaved && (m.type == Type::launch || m.type == Type::start)) return;  // nobody's
  switch (m.type) {
    case Type::launch:
      return on_launch(m, size, fd_count);
    case Type::start:
      return on_start(m, size, fd_count);
    case Type::store:
      if (fd_count == 1 && descriptors.add(m.name, received[0])) received[0] = -1;
      return;
    case Type::drop:
      return descriptors.remove(m.name);
    case Type::list:
      return on_list();
    case Type::forget: {
      Process* p = processes.find(m.name);
      if (p != nullptr && p->state == State::ended) processes.remove(*p);
      return;
    }
    case Type::adopt:
      if (fd_count == 1) on_adopt(m, received[0]);
      return;
    case Type::supervisor:
      if (fd_count != 1) return;
      supervisor_pidfd = received[0];
      received[0] = -1;
      supervisor_is_child = false;
      return watch(supervisor_pidfd, Source::supervisor_process, 0);
    case Type::quit:
      quitting = true;
      return;
    case Type::upgrade:
      return hand_over();
    default:
      return;
  }
}

void on_socket() {
  iovec iov{buffer, sizeof buffer};
  static Control control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  expect_rights(message, control);
  ssize_t n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  // ECONNRESET (a supervisor that died with our messages unread) comes once, the end after it.
  // Nothing of a failed call may be used: its control buffer still holds the descriptors of the
  // call before.
  if (n < 0) return;
  if (n == 0) {
    // A supervisor that adopted us and died before it had handed everything over: whoever comes
    // next starts another keeper, and we would wait for nobody.
    if (supervisor_pidfd <= 0) _exit(0);
    // Its end comes by the pidfd; a supervisor that only closed the socket is replaced when it
    // ends.
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket_fd, nullptr);
    return;
  }
  int fd_count = launch::take_rights(message, received);
  if (n >= static_cast<ssize_t>(sizeof(Message))) {
    Message m;
    memcpy(&m, buffer, sizeof m);
    m.name[kNameBytes - 1] = 0;
    if (m.version == kProtocolVersion)
      handle(m, static_cast<uint32_t>(n) - static_cast<uint32_t>(sizeof m), fd_count);
  }
  for (int i = 0; i < fd_count; ++i) {
    if (received[i] >= 0) close(received[i]);
  }
}

[[noreturn]] void loop() {
  epoll_event events[64];
  for (;;) {
    int64_t wait = restart_at_ms == 0 ? -1 : restart_at_ms - monotonic_ms();
    if (restart_at_ms != 0 && wait <= 0) {
      start_supervisor();
      continue;
    }
    int n = epoll_wait(epoll_fd, events, 64, static_cast<int>(wait));
    for (int i = 0; i < n; ++i) {
      auto source = static_cast<Source>(events[i].data.u64 >> 32U);
      auto index = static_cast<uint32_t>(events[i].data.u64);
      Process& p = processes.at(index);
      // A slot may have been freed, or its descriptor closed, by an earlier event of this batch.
      if (source == Source::channel && p.channel > 0) on_channel(p);
      if (source == Source::process && p.pidfd > 0) on_process_end(p);
      if (source == Source::supervisor_socket && socket_fd > 0) on_socket();
      if (source == Source::supervisor_process && supervisor_pidfd > 0) on_supervisor_end();
    }
    reap_orphans(is_known);
  }
}

void be_a_keeper(const char* directory) {
  leave_the_starter();
  int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  journal_fd = openat(dir, "exits", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  close(dir);
  if (chdir("/") != 0) _exit(1);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  be_the_reaper();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
}

}  // namespace

[[noreturn]] void keep(int argc, char** argv, char** envp) {
  if (argc < 3) {
    const char usage[] = "pcompose-keeper is started by pcompose\n";
    if (write(2, usage, sizeof usage - 1) < 0) _exit(3);
    _exit(2);
  }
  if (execute_from_read_only_mount(argv, envp) != 0) {
    const char unsafe[] = "pcompose-keeper cannot be executed from a read-only mount\n";
    if (write(2, unsafe, sizeof unsafe - 1) < 0) _exit(3);
    _exit(3);
  }
  environment = envp;
  own_argv = argv;
  // Whatever our starter forgot.
  bool resumes = strcmp(argv[2], "--resume") == 0 && argc > 4;
  if (!resumes) syscall(SYS_close_range, static_cast<unsigned>(kSupervisorFd) + 1, ~0U, 0);
  be_a_keeper(argv[1]);
  if (resumes) {
    supervisor_argv = argv + 4;
    take_over(atoi(argv[3]));
    loop();
  }
  fcntl(kSupervisorFd, F_SETFD, FD_CLOEXEC);
  if (strcmp(argv[2], "--adopt") == 0) {
    // The supervisor that made us becomes the one to restart, with the arguments after --adopt.
    supervisor_argv = argv + 3;
    socket_fd = fcntl(kSupervisorFd, F_DUPFD_CLOEXEC, 10);
    set_send_timeout();
    supervisor_started_ms = monotonic_ms();
    watch(socket_fd, Source::supervisor_socket, 0);
  } else {
    supervisor_argv = argv + 2;
    descriptors.add("control", fcntl(kSupervisorFd, F_DUPFD_CLOEXEC, 10));
    start_supervisor();
  }
  close(kSupervisorFd);
  loop();
}

}  // namespace pcompose::keeper

int main(int argc, char** argv, char** envp) { pcompose::keeper::keep(argc, argv, envp); }
