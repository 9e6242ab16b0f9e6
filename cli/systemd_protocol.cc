#include "cli/systemd_protocol.h"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "scheduler/passing.h"

namespace pcompose::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kBarrierMilliseconds = 5000;  // a manager that is only slow comes around

bool is_manager_of_ours(const fs::path& process) {
  struct stat st{};
  if (::stat(process.c_str(), &st) != 0 || st.st_uid != ::geteuid()) return false;
  try {
    if (read_file(process / "comm") != "systemd\n") return false;
    std::string line = read_file(process / "cmdline");
    return line.find(std::string("\0--user", 7)) != std::string::npos;
  } catch (const Error&) {
    return false;  // ended meanwhile
  }
}

pid_t user_manager() {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    std::string name = entry.path().filename();
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    bool number = error == std::errc() && end == name.data() + name.size();
    if (number && is_manager_of_ours(entry.path())) return pid;
  }
  return 0;
}

}  // namespace

void notify_ready(const std::string& status) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (*path != '/' && *path != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) throw Error("$NOTIFY_SOCKET is too long");
  std::memcpy(address.sun_path, path, length);
  if (*path == '@') address.sun_path[0] = 0;  // an abstract one (unix(7))
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  int ends[2] = {-1, -1};
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::pipe2(ends, O_CLOEXEC) != 0)
    throw Error::from_errno("connect to $NOTIFY_SOCKET");
  Fd ours(ends[0]), theirs(ends[1]);
  if (scheduler::send(socket.get(), "READY=1\nSTATUS=" + status, Fd(), MSG_NOSIGNAL) < 0)
    throw Error::from_errno("tell systemd that the project is up");
  // systemd asks who we are when it reads: by then we must not have ended. It closes its end of the
  // pipe when it has come so far (sd_notify_barrier(3)).
  if (scheduler::send(socket.get(), "BARRIER=1", theirs, MSG_NOSIGNAL) < 0) return;
  theirs.reset();
  pollfd closed{ours.get(), 0, 0};
  ::poll(&closed, 1, kBarrierMilliseconds);
}

bool reload_units(Manager manager) {
  // sd_booted(3)
  if (manager == Manager::system && !fs::exists("/run/systemd/system")) return false;
  pid_t pid = manager == Manager::system ? 1 : user_manager();
  if (pid == 0) return false;
  return Pidfd::open(pid).send_signal(SIGHUP);
}

}  // namespace pcompose::cli
