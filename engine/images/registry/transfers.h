// HTTP by libcurl's multi interface, driven by the loop: no thread for a transfer.
#pragma once

#include <curl/curl.h>
#include <map>
#include <memory>

#include "base/loop.h"
#include "engine/images/pull_request.h"
#include "engine/images/registry/http.h"
#include "engine/images/registry/patience.h"

namespace pcompose::engine {

class Transfers {
 public:
  // Throws Error, also where Patience does.
  Transfers(asio::any_io_executor executor, Proxies proxies);
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;
  // No exchange is under way.
  ~Transfers();

  // Sends and waits for the end of the answer. A connection that fails is a result, too; throws
  // Error only where curl itself does not work. Follows redirects. Cancelled, it closes the
  // connection. `receiver` (may be null) outlives the call.
  Task<HttpResult> perform(const HttpRequest& request, Receiver* receiver);

 private:
  struct Exchange;
  struct Socket;
  struct FreeMulti {
    void operator()(CURLM* multi) const { ::curl_multi_cleanup(multi); }
  };

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long milliseconds, void* self);
  void watch(const std::shared_ptr<Socket>& socket, int direction);
  void act(curl_socket_t fd, int events);
  void collect();
  void configure(Exchange& exchange, const HttpRequest& request) const;
  void add_route(Exchange& exchange) const;

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  Proxies proxies_;
  Patience patience_ = Patience::from_environment();
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
};

}  // namespace pcompose::engine
