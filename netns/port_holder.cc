#include "netns/port_holder.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <dirent.h>
#include <linux/netlink.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/socket_dump.h"

namespace pcompose::netns {
namespace {

// A process with a million descriptors must not make an error message late.
constexpr int kMostLinks = 100000;

struct SocketSeen {
  HoldingSocket holder;
  int state = 0;
};

// The address of a socket; an IPv6 socket on :: counts for both families.
Ip address_of(const inet_diag_msg& m) {
  if (m.idiag_family == AF_INET) return Ipv4{ntohl(m.id.idiag_src[0])};
  in6_addr address;
  std::memcpy(&address, m.id.idiag_src, sizeof address);
  if (IN6_IS_ADDR_V4MAPPED(&address)) return Ipv4{ntohl(address.s6_addr32[3])};
  Ipv6 out;
  std::memcpy(out.bytes.data(), &address, sizeof address);
  return out;
}

bool conflicts(const inet_diag_msg& m, const Ip& host, uint16_t port) {
  if (ntohs(m.id.idiag_sport) != port) return false;
  Ip theirs = address_of(m);
  bool same_family = (theirs.v6() != nullptr) == (host.v6() != nullptr);
  if (!same_family) return theirs.v6() != nullptr && theirs.is_any();
  return host.is_any() || theirs.is_any() || theirs == host;
}

void dump(int diag, uint8_t family, Protocol protocol, const Ip& host, uint16_t port,
          std::vector<SocketSeen>& out) {
  uint8_t kind = protocol == Protocol::tcp ? IPPROTO_TCP : IPPROTO_UDP;
  dump_sockets(diag, {family, kind, ~0U}, [&](const inet_diag_msg& m) {
    if (conflicts(m, host, port)) {
      out.push_back({{m.idiag_inode, m.idiag_uid}, m.idiag_state});
    }
  });
}

std::vector<SocketSeen> sockets_on(const Ip& host, uint16_t port, Protocol protocol) {
  std::vector<SocketSeen> out;
  Fd diag = open_netlink(NETLINK_SOCK_DIAG);
  dump(diag.get(), AF_INET, protocol, host, port, out);
  dump(diag.get(), AF_INET6, protocol, host, port, out);
  return out;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool is_number(const char* text) { return std::isdigit(static_cast<unsigned char>(*text)) != 0; }

// True where one of the process's descriptors is `wanted` ("socket:[123]"). Counts down `budget`.
bool has_descriptor(const std::string& pid, const std::string& wanted, int& budget) {
  Directory fds(::opendir(("/proc/" + pid + "/fd").c_str()));
  if (!fds) return false;
  while (dirent* entry = ::readdir(fds.get())) {
    if (!is_number(entry->d_name)) continue;
    if (--budget < 0) return false;
    std::array<char, 64> target;
    ssize_t n = ::readlinkat(::dirfd(fds.get()), entry->d_name, target.data(), target.size());
    if (n > 0 && std::string_view(target.data(), static_cast<size_t>(n)) == wanted) return true;
  }
  return false;
}

std::string command_of(const std::string& pid) {
  std::string name = read_file("/proc/" + pid + "/comm", 256);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::optional<std::string> find_process(uint32_t inode) {
  std::string wanted = fmt::format("socket:[{}]", inode);
  Directory proc(::opendir("/proc"));
  int budget = kMostLinks;
  while (proc && budget > 0) {
    dirent* entry = ::readdir(proc.get());
    if (entry == nullptr) break;
    if (!is_number(entry->d_name)) continue;
    std::string pid = entry->d_name;
    if (!has_descriptor(pid, wanted, budget)) continue;
    try {
      return fmt::format("{} (pid {})", command_of(pid), pid);
    } catch (const Error&) {
      return {};  // it ended just now
    }
  }
  return {};
}

std::string user_name(uint32_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return fmt::format("{}", uid);
}

}  // namespace

std::optional<HoldingSocket> find_holder(const Ip& host, uint16_t port, Protocol protocol) {
  auto all = sockets_on(host, port, protocol);
  // The listener is what the user knows, not a connection that it accepted.
  auto found = std::ranges::find(all, TCP_LISTEN, &SocketSeen::state);
  if (found == all.end()) {
    found = std::ranges::find_if(all, [](const SocketSeen& s) { return s.holder.inode != 0; });
  }
  if (found == all.end()) return {};
  return found->holder;
}

bool only_time_wait(const Ip& host, uint16_t port) {
  auto all = sockets_on(host, port, Protocol::tcp);
  return !all.empty() &&
         std::ranges::all_of(all, [](const SocketSeen& s) { return s.holder.inode == 0; });
}

std::string holder_text(const HoldingSocket& socket) {
  if (auto process = find_process(socket.inode)) return *process;
  return "a process of user " + user_name(socket.uid);
}

}  // namespace pcompose::netns
