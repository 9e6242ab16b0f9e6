#include "base/pidfd.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"

namespace pcompose {
namespace {

// struct pidfd_info and the ioctl of linux/pidfd.h, which Debian 12's headers (6.1) do not have.
struct PidfdInfo {
  uint64_t mask = 0;
  uint64_t cgroupid = 0;
  uint32_t pid = 0, tgid = 0, ppid = 0;
  uint32_t ruid = 0, rgid = 0, euid = 0, egid = 0, suid = 0, sgid = 0, fsuid = 0, fsgid = 0;
  int32_t exit_code = 0;
};
constexpr uint64_t kInfoExit = 1U << 3U;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

// The fields of /proc/PID/stat after the command name, which may itself hold spaces and
// parentheses.
std::vector<std::string> stat_fields(pid_t pid) {
  std::string text;
  try {
    text = read_file("/proc/" + std::to_string(pid) + "/stat");
  } catch (const Error&) {
    return {};
  }
  auto close = text.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream in(text.substr(close + 1));
  std::vector<std::string> fields;
  for (std::string field; in >> field;) fields.push_back(field);
  return fields;  // [0] is field 3, the state
}

}  // namespace

int ExitStatus::code() const {
  if (WIFEXITED(status_)) return WEXITSTATUS(status_);
  return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : 255;
}

std::optional<int> ExitStatus::signal() const {
  if (WIFSIGNALED(status_)) return WTERMSIG(status_);
  return std::nullopt;
}

Pidfd Pidfd::open(pid_t pid) {
  long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) throw Error::from_errno("pidfd_open " + std::to_string(pid));
  return Pidfd(Fd(static_cast<int>(fd)));
}

bool Pidfd::send_signal(int signal) const {
  if (::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw Error::from_errno("send signal " + std::to_string(signal));
}

ExitStatus Pidfd::wait() const {
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(fd_.get()), &info,
                  WEXITED | __WALL) != 0) {
    if (errno != EINTR) throw Error::from_errno("wait for a child");
  }
  // waitid splits what wait(2) packs; pack it again.
  return ExitStatus(info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status);
}

std::optional<ExitStatus> Pidfd::foreign_status() const {
  PidfdInfo info;
  info.mask = kInfoExit;
  if (::ioctl(fd_.get(), kPidfdGetInfo, &info) != 0) return std::nullopt;
  if ((info.mask & kInfoExit) == 0) return std::nullopt;
  return ExitStatus(info.exit_code);
}

bool Pidfd::ended() const {
  pollfd p{fd_.get(), POLLIN, 0};
  return ::poll(&p, 1, 0) > 0;
}

std::optional<uint64_t> process_start_time(pid_t pid) {
  auto fields = stat_fields(pid);
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return std::nullopt;
  return std::stoull(fields[19]);
}

std::optional<ExitStatus> zombie_status(pid_t pid) {
  auto fields = stat_fields(pid);
  if (fields.size() < 50 || fields[0] != "Z") return std::nullopt;
  return ExitStatus(std::stoi(fields[49]));
}

}  // namespace pcompose
