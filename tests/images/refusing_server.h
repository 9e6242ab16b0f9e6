// An HTTP server that says no, in ways that a real registry does not when it is asked to.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <string>

#include "base/loop.h"

namespace pcompose::engine {

class RefusingServer {
 public:
  RefusingServer() {
    asio::ip::tcp::endpoint here(asio::ip::address_v4::loopback(), 0);
    acceptor_.open(here.protocol());
    acceptor_.bind(here);
    acceptor_.listen();
    tasks_.spawn(accept());
    thread_ = std::thread([this] { loop_.run(); });
  }
  RefusingServer(const RefusingServer&) = delete;
  RefusingServer& operator=(const RefusingServer&) = delete;
  ~RefusingServer() {
    asio::post(loop_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      tasks_.cancel();
    });
    thread_.join();
  }

  [[nodiscard]] int port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] int requests() const { return requests_; }
  // To everything but /v2/.
  void answer(int status, const std::string& headers = "") {
    std::lock_guard lock(mutex_);
    status_ = status;
    headers_ = headers;
    next_ = 0;
  }
  // Another status after the first answer.
  void answer_once_then(int status) {
    std::lock_guard lock(mutex_);
    next_ = status;
  }

 private:
  Task<> accept() {
    for (;;) tasks_.spawn(serve(co_await acceptor_.async_accept(asio::use_awaitable)));
  }
  Task<> serve(asio::ip::tcp::socket socket) {
    boost::system::error_code error;
    std::string request;
    std::array<char, 4096> buffer;
    while (!request.contains("\r\n\r\n")) {
      size_t n = co_await socket.async_read_some(asio::buffer(buffer),
                                                 asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      request.append(buffer.data(), n);
      if (request[0] == 0x16) break;  // TLS: the answer is the usual one to that
    }
    std::string text =
        request[0] == 0x16 ? "HTTP/1.1 400 Bad Request\r\n\r\n" : reply(request.contains(" /v2/ "));
    co_await asio::async_write(socket, asio::buffer(text),
                               asio::redirect_error(asio::use_awaitable, error));
  }
  std::string reply(bool ping) {
    std::lock_guard lock(mutex_);
    if (ping) return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    ++requests_;
    std::string out = "HTTP/1.1 " + std::to_string(status_) + " No\r\n" + headers_ +
                      "Content-Length: 0\r\nConnection: close\r\n\r\n";
    if (next_ != 0) {
      status_ = next_;
      headers_.clear();
    }
    return out;
  }

  asio::io_context loop_{1};
  asio::ip::tcp::acceptor acceptor_{loop_};
  TaskGroup tasks_{loop_.get_executor()};
  std::mutex mutex_;
  int status_ = 404, next_ = 0;
  std::string headers_;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

}  // namespace pcompose::engine
