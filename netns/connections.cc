#include "netns/connections.h"

#include <fstream>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/socket_dump.h"

namespace pcompose::netns {
namespace {

constexpr uint32_t kListening = 1U << TCP_LISTEN;
constexpr uint32_t kInTimeWait = 1U << TCP_TIME_WAIT;  // keeps no namespace

// TCP sockets of both families, without those in TIME_WAIT.
size_t sockets_in_use() {
  size_t out = 0;
  for (const char* file : {"/proc/thread-self/net/sockstat", "/proc/thread-self/net/sockstat6"}) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("TCP")) continue;
      if (size_t at = line.find("inuse "); at != std::string::npos)
        out += std::stoul(line.substr(at + 6));
    }
  }
  return out;
}

std::vector<inet_diag_msg> sockets(int diag, uint32_t states) {
  std::vector<inet_diag_msg> out;
  for (uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    int error = dump_sockets(diag, {family, IPPROTO_TCP, states},
                             [&](const inet_diag_msg& m) { out.push_back(m); });
    if (error != 0 && error != ENOENT) throw Error("list the connections", error);
  }
  return out;
}

int destroy(int diag, const inet_diag_msg& socket) {
  inet_diag_req_v2 which{};
  which.sdiag_family = socket.idiag_family;
  which.sdiag_protocol = IPPROTO_TCP;
  which.idiag_states = 1U << socket.idiag_state;
  which.id = socket.id;
  NetlinkBatch batch;
  batch.begin(SOCK_DESTROY, NLM_F_ACK, which);
  return send_batch(diag, batch);
}

}  // namespace

bool end_connections() {
  // Before those that listen (the name server's, which may go meanwhile): an error of the count
  // costs a look too many, never a connection.
  size_t used = sockets_in_use();
  if (used == 0) return true;
  Fd diag = open_netlink(NETLINK_SOCK_DIAG);
  if (used <= sockets(diag.get(), kListening).size()) return true;
  for (const inet_diag_msg& socket : sockets(diag.get(), ~(kListening | kInTimeWait))) {
    int error = destroy(diag.get(), socket);
    if (error == EOPNOTSUPP) return false;
    if (error != 0 && error != ENOENT) throw Error("end a connection", error);
  }
  return true;
}

}  // namespace pcompose::netns
