#include "base/process.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

struct SpawnActions {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnActions() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace

Child spawn(const SpawnOptions& options) {
  SpawnActions a;
  // A dup2 onto the wanted number can destroy a source still needed: first move all sources out of
  // the way.
  std::vector<Fd> moved;
  int last = 2;
  for (auto [ours, theirs] : options.fds) {
    int high = ::fcntl(ours, F_DUPFD_CLOEXEC, 100);
    if (high < 0) throw Error::from_errno("duplicate a descriptor");
    moved.emplace_back(high);
    posix_spawn_file_actions_adddup2(&a.actions, high, theirs);
    last = std::max(last, theirs);
  }
  // Asio accepts connections without SOCK_CLOEXEC: the program would hold them when we are gone.
  posix_spawn_file_actions_addclosefrom_np(&a.actions, last + 1);
  if (!options.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&a.actions, options.directory.c_str());
  }
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&a.attributes, &none);
  posix_spawnattr_setsigdefault(&a.attributes, &all);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (options.session == Session::own) flags |= POSIX_SPAWN_SETSID;
  posix_spawnattr_setflags(&a.attributes, static_cast<short>(flags));
  auto argv = pointers(options.argv);
  auto env = pointers(options.environment);
  pid_t pid = -1;
  const char* program = options.program.empty() ? argv[0] : options.program.c_str();
  int error = posix_spawn(&pid, program, &a.actions, &a.attributes, argv.data(), env.data());
  if (error != 0) throw Error(std::string("start ") + program, error);
  // We are the parent and have not reaped it, so the pid cannot have been reused.
  return Child(pid, Pidfd::open(pid));
}

Child::~Child() {
  if (pid_ < 0 || !pidfd_) return;
  pidfd_.send_signal(SIGKILL);
  static_cast<void>(pidfd_.wait());
}

ExitStatus Child::wait() {
  ExitStatus status = pidfd_.wait();
  pid_ = -1;
  return status;
}

std::vector<std::string> current_environment() {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) out.emplace_back(*e);
  return out;
}

std::string own_program(const std::string& name) {
  auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  auto beside = here / name;
  auto libexec = here.parent_path() / "libexec" / "pcompose" / name;
  for (const auto& path : {beside, libexec}) {
    if (::access(path.c_str(), X_OK) == 0) return path.string();
  }
  throw Error(name + " is neither at " + beside.string() + " nor at " + libexec.string())
      .hint("install pcompose again: its programs belong together");
}

}  // namespace pcompose
