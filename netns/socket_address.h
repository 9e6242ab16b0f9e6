// A sockaddr of either family. Private to the room.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

#include "netns/ip.h"

namespace pcompose::netns {

class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const Ip& address, uint16_t port);
  // The address a socket is bound to. Throws Error.
  static SocketAddress local(int socket);

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const { return size_; }
  // For calls that fill it in: recvfrom(2), accept(2).
  [[nodiscard]] sockaddr* fill() { return reinterpret_cast<sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t* fill_size() {
    size_ = sizeof storage_;
    return &size_;
  }
  [[nodiscard]] Ip ip() const;
  [[nodiscard]] uint16_t port() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof storage_;
};

}  // namespace pcompose::netns
