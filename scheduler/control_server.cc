#include "scheduler/control_server.h"

#include <poll.h>
#include <set>
#include <sys/socket.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "engine/launch/rights.h"
#include "scheduler/attach_session.h"
#include "scheduler/passing.h"
#include "scheduler/request.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

namespace http = boost::beast::http;
using Socket = asio::local::stream_protocol::socket;
using Request = http::request<http::string_body>;
constexpr size_t kMaxBody = 64U << 20U;

// Lines of JSON until the connection closes. A client that went away is no error: the command goes
// on.
class LineStream final : public ProgressSink {
 public:
  LineStream(Socket& socket, asio::any_io_executor executor)
      : socket_(socket), more_(std::move(executor)) {}
  void line(const json::object& event) override {
    queue_ += json::serialize(event) + "\n";
    more_.pulse();
  }
  void close() {
    closed_ = true;
    more_.pulse();
  }
  [[nodiscard]] bool is_heard() const override { return heard_; }
  // Returns when the client has gone; one that only has nothing more to say still listens.
  Task<> await_leaving() {
    char nothing = 0;
    co_await asio::async_read(socket_, asio::buffer(&nothing, 1),
                              asio::as_tuple(asio::use_awaitable));
    pollfd state{socket_.native_handle(), 0, 0};
    heard_ = ::poll(&state, 1, 0) <= 0 || (state.revents & POLLHUP) == 0;
  }
  Task<> run() {
    while (!closed_ || !queue_.empty()) {
      if (queue_.empty()) {
        co_await more_.wait();
      } else if (!send_some()) {
        co_await socket_.async_wait(Socket::wait_write, asio::use_awaitable);
      }
    }
  }

 private:
  // False where the socket is full. A client that is gone gets nothing more, and holds nobody up.
  bool send_some() {
    ssize_t n =
        ::send(socket_.native_handle(), queue_.data(), queue_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
    queue_.erase(0, n < 0 ? queue_.size() : static_cast<size_t>(n));
    return true;
  }

  Socket& socket_;
  Event more_;
  std::string queue_;
  bool closed_ = false;
  bool heard_ = true;
};

Task<> send_head(Socket& socket, http::status status, bool upgrade) {
  http::response<http::empty_body> head(status, 11);
  head.set(http::field::server, "pcompose");
  if (upgrade) {
    head.set(http::field::connection, "Upgrade");
    head.set(http::field::upgrade, "pcompose-exec");
  } else {
    head.set(http::field::content_type, "application/x-ndjson");
    head.keep_alive(false);
  }
  http::response_serializer<http::empty_body> serializer(head);
  co_await http::async_write_header(socket, serializer, asio::use_awaitable);
}

class Session {
 public:
  Session(Supervisor& supervisor, Socket socket)
      : supervisor_(supervisor), socket_(std::move(socket)) {}

  Task<> run() {
    Supervisor::Busy busy(supervisor_);
    boost::beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.body_limit(kMaxBody);
    co_await http::async_read(socket_, buffer, parser, asio::use_awaitable);
    request_ = parser.release();
    std::string target = request_.target();
    if (target == "/v1/exec") co_return co_await exec();
    if (target == "/v1/attach" || target == "/v1/run/attach") {
      co_await send_head(socket_, http::status::switching_protocols, true);
      co_return co_await serve_attached(supervisor_, socket_, target, request_.body());
    }
    if (target == "/v1/cancel") supervisor_.cancel_command();
    co_await command(target);
  }

 private:
  Task<> dispatch(const std::string& target, const json::object& body, ProgressSink& out) {
    if (target == "/v1/up") co_return co_await supervisor_.up(body, out);
    if (target == "/v1/upgrade") co_return co_await supervisor_.upgrade(out);
    if (target == "/v1/down") co_return co_await supervisor_.down(body, out);
    if (target == "/v1/run") co_return co_await supervisor_.run_one_off(body, out, nullptr);
    if (target == "/v1/signal") co_return supervisor_.signal(body);
    static const std::set<std::string> kLife = {"stop",  "start",   "restart", "kill",
                                                "pause", "unpause", "rm"};
    if (target.starts_with("/v1/") && kLife.contains(target.substr(4)))
      co_return co_await supervisor_.life(target.substr(4), body, out);
    if (target == "/v1/network/connect" || target == "/v1/network/disconnect")
      co_return co_await supervisor_.change_network(target.substr(12), body);
    if (target == "/v1/ping" || target == "/v1/cancel") co_return;
    if (target == "/v1/abort") co_return supervisor_.kill_all(strings(body, "services"));
    throw Error("no such call: " + target).hint("client and supervisor are of different versions");
  }

  Task<> command(const std::string& target) {
    co_await send_head(socket_, http::status::ok, false);
    auto executor = co_await asio::this_coro::executor;
    LineStream lines(socket_, executor);
    TaskGroup group(executor), watch(executor);
    group.spawn(lines.run());
    watch.spawn(await_leaving(lines));
    std::exception_ptr error;
    try {
      json::value body =
          request_.body().empty() ? json::value(json::object()) : json::parse(request_.body());
      co_await dispatch(target, body.as_object(), lines);
    } catch (...) {
      error = std::current_exception();
    }
    lines.line(result_of(error));
    lines.close();
    co_await group.join();
    watch.cancel();
    co_await watch.join();
  }

  Task<> await_leaving(LineStream& lines) {
    co_await lines.await_leaving();
    supervisor_.client_left();
  }

  // Waits for the client's three descriptors: stdin, stdout, stderr.
  Task<std::vector<Fd>> receive_stdio() {
    co_await socket_.async_wait(Socket::wait_read, asio::use_awaitable);
    char byte = 0;
    iovec iov{&byte, 1};
    launch::RightsBuffer<3> control;
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    expect_rights(message, control);
    int fds[3];
    int count = ::recvmsg(socket_.native_handle(), &message, MSG_CMSG_CLOEXEC) > 0
                    ? launch::take_rights(message, fds)
                    : 0;
    std::vector<Fd> out;
    for (int i = 0; i < count; ++i) out.emplace_back(fds[i]);
    if (count != 3) throw Error("exec: the client sent no descriptors");
    co_return out;
  }

  void send_line(const json::object& line, const Fd& fd) {
    std::string text = json::serialize(line) + "\n";
    static_cast<void>(send(socket_.native_handle(), text, fd, 0));  // it may have gone
  }

  Task<int> run_exec(const json::object& body, std::vector<Fd> stdio) {
    using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only
    ExecRequest exec;
    for (const auto& a : body.at("args").as_array()) exec.args.emplace_back(a.as_string());
    for (const auto& e : body.at("env").as_array()) exec.env.emplace_back(e.as_string());
    exec.user = body.at("user").as_string();
    exec.working_dir = body.at("working_dir").as_string();
    exec.terminal = body.at("terminal").as_bool();
    const auto* privileged = body.if_contains("privileged");
    exec.privileged = privileged != nullptr && privileged->as_bool();
    exec.rows = static_cast<uint16_t>(body.at("rows").to_number<int>());
    exec.columns = static_cast<uint16_t>(body.at("columns").to_number<int>());
    for (size_t i = 0; i < 3; ++i) exec.stdio[i] = stdio[i].get();
    Replica& replica = supervisor_.find_running(std::string(body.at("service").as_string()),
                                                body.at("index").to_number<int>());
    auto process = co_await replica.exec(exec);
    stdio.clear();  // ours: the process has its own, and its end must show
    send_line({{"started", true}}, process->terminal);
    // A client that goes away takes its process along, as an ssh session would.
    char nothing = 0;
    auto gone =
        asio::async_read(socket_, asio::buffer(&nothing, 1), asio::as_tuple(asio::use_awaitable));
    co_await (process->ended.wait() || std::move(gone));
    if (!process->ended.is_set()) {
      process->pidfd.send_signal(SIGHUP);
      co_await (process->ended.wait() || sleep_for(std::chrono::seconds(2)));
      if (!process->ended.is_set()) process->pidfd.send_signal(SIGKILL);
      co_await process->ended.wait();
    }
    co_return process->status ? process->status->code() : 255;
  }

  Task<> exec() {
    std::exception_ptr error;
    try {
      json::value body = json::parse(request_.body());
      co_await send_head(socket_, http::status::switching_protocols, true);
      auto stdio = co_await receive_stdio();
      int code = co_await run_exec(body.as_object(), std::move(stdio));
      send_line({{"exit_code", code}}, Fd());
      co_return;
    } catch (...) {
      error = std::current_exception();
    }
    send_line(result_of(error), Fd());
  }

  Supervisor& supervisor_;
  Socket socket_;
  Request request_;
};

Task<> serve(Supervisor& supervisor, Socket socket) {
  Session session(supervisor, std::move(socket));
  try {
    co_await session.run();
  } catch (const boost::system::system_error& e) {
    if (e.code() != http::error::end_of_stream) spdlog::debug("control session: {}", e.what());
  }
}

}  // namespace

json::object result_of(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
    return {{"result", "done"}, {"exit_code", 0}};
  } catch (const Error& e) {
    return {{"result", "failed"}, {"error", e.what()}, {"exit_code", e.exit_code()}};
  } catch (const std::exception& e) {
    return {{"result", "failed"}, {"error", e.what()}, {"exit_code", 1}};
  }
}

ControlServer::ControlServer(Supervisor& supervisor, const Fd& listener)
    : supervisor_(supervisor), listener_(listener.duplicate()) {}

Task<> ControlServer::run() {
  auto executor = co_await asio::this_coro::executor;
  asio::local::stream_protocol::acceptor acceptor(executor, asio::local::stream_protocol(),
                                                  listener_.release());
  TaskGroup sessions(executor);
  for (;;) {
    Socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    sessions.spawn(serve(supervisor_, std::move(socket)));
  }
}

}  // namespace pcompose::scheduler
