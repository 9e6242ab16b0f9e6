// Netlink messages and sockets (netlink(7)): one small builder for rtnetlink, nf_tables and
// sock_diag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/fd.h"

namespace pcompose {

// One or more messages in one buffer: the kernel handles them in order, in one system call.
class NetlinkBatch {
 public:
  // Starts a message with its fixed header. NLM_F_REQUEST is added.
  template <class Header>
  void begin(uint16_t type, unsigned flags, const Header& header) {
    static_assert(std::is_trivially_copyable_v<Header>);
    begin_message(type, flags, &header, sizeof header);
  }
  void put(uint16_t type, const void* data, size_t size);
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(uint16_t type, T value) {
    put(type, &value, sizeof value);
  }
  void put_string(uint16_t type, std::string_view text);  // with its NUL
  // Attributes until close() are inside it.
  size_t open(uint16_t type);
  void close(size_t nest);
  // A fixed header inside an attribute (veth's peer).
  template <class Header>
  void raw(const Header& header) {
    append(&header, sizeof header);
  }

  [[nodiscard]] std::span<const uint8_t> bytes() const { return bytes_; }
  [[nodiscard]] size_t messages() const { return messages_; }
  void clear();

 private:
  void begin_message(uint16_t type, unsigned flags, const void* header, size_t size);
  void append(const void* data, size_t size);
  void finish();

  std::vector<uint8_t> bytes_;
  size_t message_ = 0;
  size_t messages_ = 0;
};

// An attribute's payload inside a received message.
struct NetlinkAttribute {
  uint16_t type;
  std::span<const uint8_t> data;
  template <class T>
  [[nodiscard]] std::optional<T> as() const {
    if (data.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, data.data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::string text() const;  // up to the NUL
};

// The attributes that follow a fixed header of `header` bytes.
std::vector<NetlinkAttribute> attributes(std::span<const uint8_t> payload, size_t header);

// Opens a netlink socket in the calling thread's network namespace; it stays there. Throws Error.
Fd open_netlink(int family);

// Sends the batch and reads the kernel's verdict: 0, or the errno of the first message that failed.
// Every message should carry NLM_F_ACK, or the last one only (then an error of any is still seen).
// Throws Error where the socket fails.
int send_batch(int socket, const NetlinkBatch& batch);

// Sends a dump (or get) request and calls `each` with every answer's type and payload. 0 or an
// errno.
using NetlinkHandler = std::function<void(uint16_t type, std::span<const uint8_t> payload)>;
int request(int socket, const NetlinkBatch& batch, const NetlinkHandler& each);

}  // namespace pcompose
