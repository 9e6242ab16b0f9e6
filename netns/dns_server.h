// Answers DNS for the containers of a project, on the sockets inside their namespaces.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "netns/ip.h"

namespace pcompose::netns {

// The addresses of a name. Clients take the first one: each group is shuffled, and what should
// rather not be taken (an unhealthy replica) comes last.
struct Found {
  std::vector<Ipv4> v4, v4_last;
  std::vector<Ipv6> v6, v6_last;
};

// What a container sees. Called on the loop for every query: must be quick (maps, not the
// database).
class Names {
 public:
  virtual ~Names() = default;
  // nullopt: not ours, ask upstream. Nothing in it: a known name without an address just now.
  // `name` is lower case, without the last dot.
  virtual std::optional<Found> find(const std::string& scope, const std::string& name) = 0;
  // The name of an address of ours; nullopt: ask upstream.
  virtual std::optional<std::string> reverse(const std::string& scope, const Ip& address) = 0;
  // Whom to ask instead of the host's servers; empty: those.
  [[nodiscard]] virtual std::vector<asio::ip::address> servers(const std::string& scope) {
    static_cast<void>(scope);
    return {};
  }
  // False where the scope has internal networks only: DNS would be a way out.
  [[nodiscard]] virtual bool may_leave(const std::string& scope) = 0;
};

// `nameserver` lines of resolv.conf(5). 127.0.0.11 there is no loop: the supervisor asks from the
// host's namespace, and if that is a container itself, the address is its engine's server. Pure.
std::vector<asio::ip::address> parse_resolv_conf(const std::string& text);

struct DnsSettings {
  std::string resolv_conf = "/etc/resolv.conf";    // read again when it changes
  std::vector<asio::ip::udp::endpoint> upstreams;  // where not empty: instead of resolv_conf
  // Per server; a client gives up after 5 s (resolv.conf(5)).
  std::chrono::milliseconds timeout{2000};
  // Until the next server is asked, too. Not all at once: the first may know names that the others
  // deny.
  std::chrono::milliseconds patience{300};
  size_t in_flight = 512;                 // queries that wait for upstream; more get SERVFAIL
  size_t connections = 64;                // TCP clients of one scope; more are closed at once
  std::chrono::milliseconds idle{10000};  // until a silent TCP client is closed
};

// One per supervisor, on its loop. A scope is one network namespace. All methods on the loop's
// thread. The server asks upstream by sockets of the host's namespace, where the supervisor lives.
class DnsServer {
 public:
  // `names` outlives the server.
  DnsServer(asio::any_io_executor executor, Names& names, DnsSettings settings = {});
  ~DnsServer();  // stops all scopes; stop_all() is the orderly end

  // Starts to answer. Takes the descriptors (duplicates of what the keeper holds). A scope that is
  // served already is an Error.
  void serve(const std::string& scope, Fd udp, Fd tcp);
  // Ends the scope's coroutines; unknown scopes are ignored.
  Task<> stop(std::string scope);
  Task<> stop_all();
  [[nodiscard]] size_t scopes() const;

  struct State;  // defined where the coroutines are

 private:
  std::shared_ptr<State> state_;
};

}  // namespace pcompose::netns
