#include "engine/rootless/shared_namespaces.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/launch/rights.h"
#include "engine/rootless/egress.h"
#include "engine/rootless/id_maps.h"
#include "engine/rootless/protocol.h"
#include "engine/rootless/subordinate_ids.h"
#include "engine/unit.h"

namespace pcompose::engine {
namespace {

namespace protocol = pcompose::rootless;

// No project has this name: they begin with a letter or a digit.
constexpr const char* kUnit = "_namespaces";

// Numbers that nothing else of a child has.
constexpr int kUserFd = 90, kConnectionFd = 91;

std::string socket_path(const Roots& roots) { return roots.run + "/namespaces.sock"; }

struct Connection {
  Fd socket, user, network;
};

std::optional<Connection> connect_to(const std::string& path) {
  Connection c;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw Error("the path " + path + " is too long for a socket")
        .hint("set XDG_RUNTIME_DIR to a shorter one");
  std::memcpy(address.sun_path, path.data(), path.size());
  c.socket = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!c.socket) throw Error::from_errno("make a socket");
  if (::connect(c.socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  char byte = 0;
  iovec iov{&byte, 1};
  launch::RightsBuffer<2> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  launch::expect_rights(m, control);
  int fds[2] = {-1, -1};
  if (::recvmsg(c.socket.get(), &m, MSG_CMSG_CLOEXEC) != 1 || launch::take_rights(m, fds) != 2)
    return std::nullopt;
  c.user = Fd(fds[0]);
  c.network = Fd(fds[1]);
  return c;
}

struct Maps {
  std::vector<IdMapping> users, groups;
  [[nodiscard]] std::string text() const {
    return rootless::map_text(users) + "\n" + rootless::map_text(groups);
  }
};

std::string text_of(const char* path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";  // the same as an empty one
  }
}

Maps wanted_maps() {
  passwd* user = ::getpwuid(::getuid());
  std::string name = user == nullptr ? "" : user->pw_name;
  Maps maps;
  bool programs = rootless::can_map_ranges();
  maps.users =
      rootless::id_map(programs ? text_of("/etc/subuid") : "", name, ::getuid(), ::geteuid());
  maps.groups =
      rootless::id_map(programs ? text_of("/etc/subgid") : "", name, ::getuid(), ::getegid());
  // An image's files have both: one without the other is of no use.
  if (maps.users.size() == 1 || maps.groups.size() == 1) {
    maps.users.resize(1);
    maps.groups.resize(1);
  }
  return maps;
}

// Files of the images and volumes belong to these ids.
void hold_against_the_state(const Maps& maps, const Roots& roots) {
  std::string path = roots.state + "/id-map";
  std::string before = text_of(path.c_str());
  if (before == maps.text()) return;
  if (!before.empty()) {
    throw Error("the ids of this user are not those that the files in " + roots.state +
                " belong to")
        .hint("put back what /etc/subuid and /etc/subgid said, or begin anew by removing " +
              roots.state + " with root's help");
  }
  replace_file(path, maps.text(), 0600);
}

char hear(const Fd& socket) {
  char byte = 0;
  ssize_t n;
  do {
    n = ::recv(socket.get(), &byte, 1, 0);
  } while (n < 0 && errno == EINTR);
  return n == 1 ? byte : '\0';
}

void tell(const Fd& socket, char byte, const std::optional<int>& fd = std::nullopt) {
  iovec iov{&byte, 1};
  launch::RightsBuffer<1> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  if (fd) launch::attach_rights(m, control, &*fd, 1);
  if (::sendmsg(socket.get(), &m, MSG_NOSIGNAL) != 1) throw Error("the holder died");
}

Child start_holder(const Roots& roots, const Fd& theirs) {
  SpawnOptions options;
  options.argv = {own_program("pcompose-holder"), "hold", socket_path(roots), roots.run};
  options.fds = {{theirs.get(), protocol::kStarter}, {STDERR_FILENO, STDERR_FILENO}};
  options.session = Session::own;
  options.directory = "/";
  put_into_unit(options, roots, kUnit);
  return spawn(options);
}

void make(const Roots& roots) {
  Maps maps = wanted_maps();
  hold_against_the_state(maps, roots);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    throw Error::from_errno("socketpair");
  Fd ours(pair[0]), theirs(pair[1]);
  ::unlink(socket_path(roots).c_str());
  Child holder = start_holder(roots, theirs);
  theirs.reset();
  if (hear(ours) != protocol::kMapsWanted) {
    throw Error("this user may not make a user namespace")
        .hint(
            "allow it: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, "
            "kernel.apparmor_restrict_unprivileged_userns=0; or run as root");
  }
  rootless::write_id_maps(holder.pid(), maps.users, maps.groups);
  tell(ours, protocol::kMapsWritten);
  if (hear(ours) != protocol::kNamespacesMade)
    throw Error("the namespaces of this user could not be made");
  std::optional<Child> egress = rootless::start_egress(holder.pid(), roots, kUnit);
  tell(ours, protocol::kGo, egress ? std::optional(egress->pidfd().get()) : std::nullopt);
  if (egress) egress->disown();
  if (hear(ours) != protocol::kReady) throw Error("the namespaces of this user could not be made");
  holder.disown();
}

}  // namespace

SharedNamespaces SharedNamespaces::open(const Roots& roots) {
  Fd lock = open_file(roots.run, O_RDONLY | O_DIRECTORY);
  if (::flock(lock.get(), LOCK_EX) != 0) throw Error::from_errno("lock " + roots.run);
  auto found = connect_to(socket_path(roots));
  if (!found) {
    make(roots);
    found = connect_to(socket_path(roots));
  }
  if (!found) throw Error("the namespaces of this user are gone again").hint("try again");
  return {std::move(found->socket), std::move(found->user), std::move(found->network)};
}

SharedNamespaces SharedNamespaces::join(const Roots& roots) {
  auto found = connect_to(socket_path(roots));
  if (!found) throw Error::from_errno("reach the holder of the user's namespaces");
  return {std::move(found->socket), std::move(found->user), std::move(found->network)};
}

SpawnOptions SharedNamespaces::inside(SpawnOptions options) const {
  const std::string program = options.program.empty() ? options.argv.front() : options.program;
  std::vector<std::string> argv = {own_program("pcompose-holder"), "enter", std::to_string(kUserFd),
                                   std::to_string(kConnectionFd), program};
  argv.insert(argv.end(), options.argv.begin(), options.argv.end());
  options.argv = std::move(argv);
  options.program.clear();
  options.fds.emplace_back(user_.get(), kUserFd);
  options.fds.emplace_back(connection_.get(), kConnectionFd);
  options.environment.push_back(fmt::format("PCOMPOSE_ROOTLESS={}", ::getuid()));
  for (const char* name : {"HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}) {
    if (const char* value = std::getenv(name))
      options.environment.push_back(fmt::format("{}={}", name, value));
  }
  return options;
}

Child SharedNamespaces::spawn_inside(SpawnOptions options) const {
  return spawn(inside(std::move(options)));
}

}  // namespace pcompose::engine
