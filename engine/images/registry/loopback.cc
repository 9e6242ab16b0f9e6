#include "engine/images/registry/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace pcompose::engine {
namespace {

std::string without_port(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

// What stands between "//" and the path.
std::string authority(const std::string& url) {
  size_t start = url.find("://");
  if (start == std::string::npos) return "";
  start += 3;
  return url.substr(start, url.find_first_of("/?#", start) - start);
}

}  // namespace

bool is_loopback(const std::string& host) {
  std::string name = without_port(host);
  if (name == "localhost" || name == "::1") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 &&
         (ntohl(address.s_addr) >> 24U) == IN_LOOPBACKNET;
}

std::string url_host(const std::string& url) {
  std::string all = authority(url);
  return all.substr(all.rfind('@') + 1);
}

std::string without_password(const std::string& url) {
  // A proxy may be written without its scheme.
  size_t scheme = url.find("://");
  size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  size_t end = url.find_first_of("/?#", start);
  size_t at = url.substr(0, end).rfind('@');
  return at == std::string::npos || at < start ? url : url.substr(0, start) + url.substr(at + 1);
}

bool is_loopback_url(const std::string& url) {
  std::string host = authority(url);
  // A name before "@" would be a user's: none of ours has one.
  return !host.contains('@') && is_loopback(host);
}

}  // namespace pcompose::engine
