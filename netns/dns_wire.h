// Reading and writing the pieces of DNS messages (RFC 1035, section 4). Private to the room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pcompose::netns {

constexpr size_t kDnsHeader = 12;
constexpr uint16_t kClassInternet = 1;
constexpr uint16_t kTypeOpt = 41;

// Bits of the header's flags.
constexpr uint16_t kFlagResponse = 0x8000;
constexpr uint16_t kFlagAuthoritative = 0x0400;
constexpr uint16_t kFlagTruncated = 0x0200;
constexpr uint16_t kFlagRecursionDesired = 0x0100;
constexpr uint16_t kFlagRecursionAvailable = 0x0080;
constexpr uint16_t kMaskOpcode = 0x7800;

struct DnsHeader {
  uint16_t id = 0;
  uint16_t flags = 0;
  uint16_t questions = 0;
  uint16_t answers = 0;
  uint16_t authorities = 0;
  uint16_t additionals = 0;
};

// A cursor that never leaves the message: each read says whether it could.
class DnsReader {
 public:
  explicit DnsReader(std::span<const uint8_t> message) : message_(message) {}

  [[nodiscard]] size_t at() const { return at_; }
  bool u16(uint16_t& value);
  bool u32(uint32_t& value);
  bool skip(size_t n);
  bool header(DnsHeader& out);
  // A name without compression, at most 255 bytes, as text (dns_message.h says how).
  bool plain_name(std::string& out);
  // Over a name that may end in a compression pointer.
  bool skip_name();
  // Over a whole resource record; its type, too.
  bool skip_record(uint16_t& type);

 private:
  std::span<const uint8_t> message_;
  size_t at_ = 0;
};

class DnsWriter {
 public:
  void u8(uint8_t value) { bytes.push_back(value); }
  void u16(uint16_t value);
  void u32(uint32_t value);
  void raw(std::span<const uint8_t> data);
  void header(const DnsHeader& header);
  // False (and nothing written) where a label is empty or over 63 bytes, or the name over 255.
  bool name(const std::string& text);

  std::vector<uint8_t> bytes;
};

// Overwrites 16 bits of a message that is long enough.
void patch_u16(std::vector<uint8_t>& message, size_t at, uint16_t value);

}  // namespace pcompose::netns
