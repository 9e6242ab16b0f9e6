// A host of our own: the test process in fresh network and mount namespaces, so that nothing of the
// machine is touched. For root.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"

namespace pcompose::netns {

// Once per program, before any thread: unshare(2), private mounts, a tmpfs on /run, loopback up.
// False where we may not (not root).
bool enter_fake_host();

// Runs `body` in the namespace on a thread of its own, and waits for it.
void in_namespace(int namespace_fd, const std::function<void()>& body);

// What a container with NET_ADMIN may do.
void add_default_route(int namespace_fd, const std::string& gateway);

// For an answer that has to come, on a machine with other work; and for one that must not.
inline constexpr std::chrono::milliseconds kPatience{10'000}, kSilence{500};

// What a blocking client in the namespace sees. "" on a refused or timed-out connection.
std::string tcp_ask(int namespace_fd, const std::string& address, uint16_t port,
                    std::chrono::milliseconds patience = kPatience);
std::string udp_ask(int namespace_fd, const std::string& address, uint16_t port,
                    const std::string& message, std::chrono::milliseconds patience = kPatience);

// As Networks does before a namespace is given up: one whose last bytes nobody acknowledges any
// more would keep its links for minutes.
void end_connections_in(int namespace_fd);

// Answers each client of a port in the namespace with "NAME PEER-ADDRESS" until it is destroyed.
// TCP and UDP. Ends the connections of its namespace, then.
class EchoServer {
 public:
  EchoServer(int namespace_fd, uint16_t port, std::string name);
  ~EchoServer();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pcompose::netns
