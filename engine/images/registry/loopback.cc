#include "engine/images/registry/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace pcompose::engine {
namespace {

std::string without_port(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

bool is_loopback(const std::string& host) {
  std::string name = without_port(host);
  if (name == "localhost" || name == "::1") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 &&
         (ntohl(address.s_addr) >> 24U) == IN_LOOPBACKNET;
}

bool is_loopback_url(const std::string& url) {
  size_t start = url.find("://");
  if (start == std::string::npos) return false;
  start += 3;
  std::string host = url.substr(start, url.find_first_of("/?#", start) - start);
  // A name before "@" would be a user's: none of ours has one.
  return !host.contains('@') && is_loopback(host);
}

}  // namespace pcompose::engine
