#include "engine/runtime/console.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/launch/rights.h"

namespace pcompose::engine::runtime {
namespace {

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error("connect to " + path, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw Error::from_errno("socket");
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Error::from_errno("connect to " + path);
  return socket;
}

// Our own terminal, raw while somebody else's is shown on it.
class RawTerminal {
 public:
  RawTerminal() {
    termios now{};
    if (::tcgetattr(0, &now) != 0) return;
    before_ = now;
    ::cfmakeraw(&now);
    ::tcsetattr(0, TCSANOW, &now);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (before_) ::tcsetattr(0, TCSANOW, &*before_);
  }

 private:
  std::optional<termios> before_;
};

void copy_window_size(const Fd& master) {
  winsize size{};
  if (::ioctl(0, TIOCGWINSZ, &size) == 0) ::ioctl(master.get(), TIOCSWINSZ, &size);
}

// Moves what is there now; false at the end of `from`.
bool copy_some(int from, int to) {
  std::array<char, 8192> buffer;
  ssize_t n = ::read(from, buffer.data(), buffer.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n <= 0) return false;
  write_all(to, {buffer.data(), static_cast<size_t>(n)});
  return true;
}

}  // namespace

void send_descriptor(const std::string& path, const Fd& fd, const std::string& text) {
  Fd socket = connect_to(path);
  iovec iov{const_cast<char*>(text.data()), text.size()};
  launch::RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  int number = fd.get();
  launch::attach_rights(message, control, &number, 1);
  if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0)
    throw Error::from_errno("send to " + path);
}

void send_console(const std::string& path, const Fd& master) {
  std::array<char, 128> name{};
  if (::ptsname_r(master.get(), name.data(), name.size()) != 0) name[0] = 0;
  send_descriptor(path, master, name[0] == 0 ? "/dev/pts/ptmx" : name.data());
}

SignalForwarder::SignalForwarder() {
  sigset_t set;
  sigfillset(&set);
  for (int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&set, own);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw Error::from_errno("signalfd");
}

SignalForwarder::~SignalForwarder() {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void SignalForwarder::on_signal(const Pidfd& process, const Fd& master) {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD) return;
  if (signal == SIGWINCH && master) return copy_window_size(master);
  process.send_signal(signal);
}

ExitStatus SignalForwarder::serve(const Pidfd& process, const Fd& master) {
  std::optional<RawTerminal> raw;
  if (master) {
    raw.emplace();
    copy_window_size(master);
  }
  bool input = static_cast<bool>(master), output = static_cast<bool>(master);
  while (true) {
    pollfd waits[4] = {{process.get(), POLLIN, 0},
                       {signals_.get(), POLLIN, 0},
                       {input ? 0 : -1, POLLIN, 0},
                       {output ? master.get() : -1, POLLIN, 0}};
    if (::poll(waits, 4, -1) < 0 && errno != EINTR) throw Error::from_errno("poll");
    if (waits[1].revents != 0) on_signal(process, master);
    if (waits[2].revents != 0) input = copy_some(0, master.get());
    if (waits[3].revents != 0) output = copy_some(master.get(), 1);
    // What it wrote last is still in the terminal: its end is EIO on the master.
    if (waits[0].revents != 0 && waits[3].revents == 0) break;
  }
  return process.wait();
}

}  // namespace pcompose::engine::runtime
