// One HTTP exchange as values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::engine {

enum class Method { get, head, post, put, patch, remove };

// PEM texts; "" where there is none.
struct TlsFiles {
  std::string authorities;  // in place of the system's: holds these as well
  std::string certificate, key;
};

struct HttpRequest {
  Method method = Method::get;
  std::string url;
  std::vector<std::string> headers;  // "Accept: …"
  std::string authorization;         // the header's value; not sent on to another host
  std::string_view body = {};        // of a post, put or patch; outlives the exchange
  int64_t from = 0;                  // first byte of interest
  const TlsFiles* files = nullptr;   // outlives the exchange
  bool verify = true;                // the certificate
};

// Headers of the last answer; names in lower case. Several lines of one name are joined by ", ".
struct HttpHead {
  long status = 0;
  std::map<std::string, std::string> headers;

  [[nodiscard]] std::string header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

// The proxy that is set for an address. NO_PROXY may have kept the address from it all the same.
struct ProxyUse {
  std::string address;   // without a password; "" where there is none
  std::string variable;  // where it is set
  long status = 0;       // its answer to CONNECT; 0 where none came
};

struct HttpResult {
  HttpHead head;
  std::string body;       // where no receiver took it
  int code = 0;           // CURLcode: 0 where the whole answer came
  std::string error;      // in curl's words
  std::string host = {};  // that was talked to last, redirects followed; "" where that is not known
  ProxyUse proxy = {};
};

// Takes the body of an answer as it comes, on the loop's thread.
class Receiver {
 public:
  virtual ~Receiver() = default;
  enum class Take { taken, later, stop };
  // later: the piece comes again after resume(). An answer that is not 2xx goes to
  // HttpResult::body.
  virtual Take take(const HttpHead& head, std::string_view piece) = 0;
  // Set by the exchange: goes on after `later`; does nothing once the exchange is over. On the
  // loop's thread.
  std::function<void()> resume;
};

}  // namespace pcompose::engine
