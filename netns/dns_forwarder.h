// Asks the host's own name servers. Private to the room.
#pragma once

#include <memory>
#include <sys/stat.h>
#include <vector>

#include "base/loop.h"
#include "netns/dns_message.h"
#include "netns/dns_server.h"

namespace pcompose::netns {

// On one loop. Each query has its own sockets: the kernel's random port and a random id are what
// keeps a stranger from answering in the server's name (RFC 5452).
class DnsForwarder {
 public:
  explicit DnsForwarder(DnsSettings settings) : settings_(std::move(settings)) {}

  // The answer for the client, from `servers` or, where there are none, the settings'. SERVFAIL
  // where no server answers in time or too many queries wait already.
  Task<Bytes> ask(DnsQuery query, Transport transport, std::vector<asio::ip::address> servers = {});

 private:
  using Endpoint = asio::ip::udp::endpoint;
  std::vector<Endpoint> upstreams();
  Task<Bytes> ask_servers(const DnsQuery& query, const std::vector<asio::ip::address>& servers);
  struct Race;
  Task<> compete(std::shared_ptr<Race> race, Endpoint server);
  Task<Bytes> ask_server(const DnsQuery& query, Endpoint server);
  Task<Bytes> ask_by_udp(const DnsQuery& query, Endpoint server);
  Task<Bytes> ask_by_tcp(const DnsQuery& query, Endpoint server);

  DnsSettings settings_;
  std::vector<Endpoint> from_file_;
  struct stat file_{};  // as it was read: a new time, size or inode is a new file
  size_t waiting_ = 0;
};

}  // namespace pcompose::netns
