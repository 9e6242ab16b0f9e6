#include "scheduler/control_client.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/launch/rights.h"
#include "engine/rootless/shared_namespaces.h"
#include "engine/unit.h"
#include "scheduler/passing.h"

namespace pcompose::scheduler {
namespace {

constexpr int kAttempts = 20;  // a supervisor that dies again and again is another problem

Fd make_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw Error::from_errno("make a socket");
  return fd;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error("the path of the control socket is too long: " + path)
        .hint("choose a shorter project name");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool try_connect(const Fd& socket, const std::string& path) {
  sockaddr_un address = address_of(path);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// The lock is on the project's run directory itself, so that no lock file is left. The directory
// may have been removed and made again while we waited.
Fd lock_directory(const std::string& path) {
  for (;;) {
    make_directories(path);
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue;
    if (!fd) throw Error::from_errno("open " + path);
    if (::flock(fd.get(), LOCK_EX) != 0) throw Error::from_errno("lock " + path);
    struct stat ours{}, there{};
    if (::fstat(fd.get(), &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
        ours.st_ino == there.st_ino)
      return fd;
  }
}

Fd listen_on(const std::string& path) {
  ::unlink(path.c_str());
  Fd fd = make_socket();
  sockaddr_un address = address_of(path);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 64) != 0) {
    throw Error::from_errno("listen on " + path);
  }
  return fd;
}

std::vector<std::string> service_environment() {
  std::vector<std::string> out = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  for (const std::string& e : current_environment()) {
    if (e.starts_with("PCOMPOSE_") || e.starts_with("ASAN_OPTIONS=") || e.starts_with("TZ="))
      out.push_back(e);
  }
  return out;
}

void start_keeper(const Roots& roots, const std::string& project, const Fd& listener) {
  SpawnOptions options{.argv = {own_program("pcompose-keeper"), roots.project_run(project),
                                own_program("pcompose-supervisor"), project},
                       .environment = service_environment(),
                       .fds = {{listener.get(), 3}},
                       .session = Session::own,
                       .directory = "/"};
  std::optional<engine::SharedNamespaces> shared;
  if (roots.rootless) shared = engine::SharedNamespaces::open(roots);
  if (shared) options = shared->inside(std::move(options));
  engine::put_into_unit(options, roots, project);
  spawn(options).disown();
}

std::string request_text(const std::string& target, const std::string& body, const char* extra) {
  return "POST " + target + " HTTP/1.1\r\nHost: pcompose\r\nContent-Type: application/json\r\n" +
         extra + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Lines after the head of the answer. The peer is our own supervisor behind a 0700 directory.
class Lines {
 public:
  explicit Lines(int fd, std::string unread = "") : fd_(fd), buffer_(std::move(unread)) {}
  [[nodiscard]] const std::string& unread() const { return buffer_; }
  // The next line; nullopt at the end. A descriptor that came along is kept in `passed`.
  std::optional<std::string> next(const char* separator = "\n") {
    for (;;) {
      size_t at = buffer_.find(separator);
      if (at != std::string::npos) {
        std::string line = buffer_.substr(0, at);
        buffer_.erase(0, at + std::strlen(separator));
        return line;
      }
      if (!receive(fd_, buffer_, passed)) return std::nullopt;
    }
  }
  Fd passed;

 private:
  int fd_;
  std::string buffer_;
};

void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("talk to the supervisor");
    data.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

void send_request(int socket, const std::string& target, const std::string& body,
                  const char* extra) {
  send_all(socket, request_text(target, body, extra));
}

Fd ControlClient::connect(Start start) const {
  std::string run = roots_.project_run(project_);
  std::string path = run + "/control.sock";
  if (start == Start::never && ::access(path.c_str(), F_OK) != 0) return Fd();
  Fd lock = lock_directory(run);
  Fd socket = make_socket();
  if (try_connect(socket, path)) return socket;
  if (start == Start::never) return Fd();
  // Nobody listens: what is there belongs to processes that were killed. The containers' files
  // stay.
  Fd listener = listen_on(path);
  start_keeper(roots_, project_, listener);
  socket = make_socket();
  if (!try_connect(socket, path)) throw Error::from_errno("connect to " + path);
  return socket;
}

std::optional<json::object> ControlClient::call_once(
    const std::string& target, const std::string& body,
    const std::function<void(const json::object&)>& on_line, Start start) const {
  Fd socket = connect(start);
  if (!socket) throw Error("project " + project_ + " is not running");
  try {
    send_request(socket.get(), target, body);
  } catch (const Error&) {
    return std::nullopt;
  }
  Lines lines(socket.get());
  if (!lines.next("\r\n\r\n")) return std::nullopt;
  while (auto line = lines.next()) {
    json::object event = json::parse(*line).as_object();
    if (event.contains("result")) return event;
    on_line(event);
  }
  return std::nullopt;
}

json::object ControlClient::call(const std::string& target, const json::object& body,
                                 const std::function<void(const json::object&)>& on_line,
                                 Start start) const {
  std::string text = json::serialize(body);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto result = call_once(target, text, on_line, start)) return *result;
    ::usleep(20000);  // the keeper starts the next supervisor; its socket waits for us
  }
  throw Error("the supervisor of project " + project_ + " does not answer")
      .hint("its log is " + roots_.state + "/log/" + project_ + ".log");
}

ExecSession start_exec(const ControlClient& client, const json::object& request) {
  ExecSession session;
  session.socket = client.connect(Start::never);
  if (!session.socket)
    throw Error("service \"" + std::string(request.at("service").as_string()) +
                "\" is not running");
  send_request(session.socket.get(), "/v1/exec", json::serialize(request),
               "Connection: Upgrade\r\nUpgrade: pcompose-exec\r\n");
  Lines lines(session.socket.get());
  if (!lines.next("\r\n\r\n")) throw Error("the supervisor died");
  char byte = 'f';
  iovec iov{&byte, 1};
  launch::RightsBuffer<3> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  int stdio[3] = {0, 1, 2};
  attach_rights(m, control, stdio, 3);
  if (::sendmsg(session.socket.get(), &m, MSG_NOSIGNAL) < 0)
    throw Error::from_errno("hand over stdio");
  auto line = lines.next();
  if (!line) throw Error("the supervisor died");
  session.terminal = std::move(lines.passed);
  session.unread = lines.unread();  // a quick process has ended already
  json::object answer = json::parse(*line).as_object();
  if (!answer.contains("result")) return session;
  session.exit_code = answer.at("exit_code").to_number<int>();
  session.error = answer.contains("error") ? std::string(answer.at("error").as_string()) : "";
  return session;
}

int finish_exec(ExecSession& session) {
  Lines lines(session.socket.get(), session.unread);
  auto line = lines.next();
  if (!line) throw Error("the supervisor died; the process ends with it");
  return json::parse(*line).as_object().at("exit_code").to_number<int>();
}

}  // namespace pcompose::scheduler
