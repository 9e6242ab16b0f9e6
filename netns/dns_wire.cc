#include "netns/dns_wire.h"

#include <fmt/format.h>

namespace pcompose::netns {
namespace {

constexpr size_t kMostNameBytes = 255;
constexpr size_t kMostLabelBytes = 63;
constexpr uint8_t kPointer = 0xc0;

void append_text(std::string& out, uint8_t byte) {
  auto c = static_cast<char>(byte);
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (byte < '!' || byte > '~' || c == '.' || c == '\\') {
    out += fmt::format("\\{:03}", byte);
  } else {
    out += c;
  }
}

}  // namespace

bool DnsReader::u16(uint16_t& value) {
  if (message_.size() - at_ < 2) return false;
  value = static_cast<uint16_t>(message_[at_] << 8 | message_[at_ + 1]);
  at_ += 2;
  return true;
}

bool DnsReader::u32(uint32_t& value) {
  uint16_t high = 0;
  uint16_t low = 0;
  if (!u16(high) || !u16(low)) return false;
  value = uint32_t{high} << 16U | low;
  return true;
}

bool DnsReader::skip(size_t n) {
  if (message_.size() - at_ < n) return false;
  at_ += n;
  return true;
}

bool DnsReader::header(DnsHeader& out) {
  return u16(out.id) && u16(out.flags) && u16(out.questions) && u16(out.answers) &&
         u16(out.authorities) && u16(out.additionals);
}

bool DnsReader::plain_name(std::string& out) {
  size_t start = at_;
  for (;;) {
    if (at_ >= message_.size()) return false;
    size_t length = message_[at_++];
    if (length == 0) return true;
    if (length > kMostLabelBytes || message_.size() - at_ < length) return false;
    if (at_ + length - start > kMostNameBytes - 1) return false;
    if (!out.empty()) out += '.';
    for (size_t i = 0; i < length; ++i) append_text(out, message_[at_ + i]);
    at_ += length;
  }
}

bool DnsReader::skip_name() {
  for (;;) {
    if (at_ >= message_.size()) return false;
    uint8_t length = message_[at_++];
    if (length == 0) return true;
    // Where it points does not matter to who only walks: so no loop is possible.
    if ((length & kPointer) == kPointer) return skip(1);
    if (length > kMostLabelBytes || !skip(length)) return false;
  }
}

bool DnsReader::skip_record(uint16_t& type) {
  uint16_t klass = 0;
  uint32_t ttl = 0;
  uint16_t size = 0;
  return skip_name() && u16(type) && u16(klass) && u32(ttl) && u16(size) && skip(size);
}

void DnsWriter::u16(uint16_t value) {
  u8(static_cast<uint8_t>(value >> 8U));
  u8(static_cast<uint8_t>(value));
}

void DnsWriter::u32(uint32_t value) {
  u16(static_cast<uint16_t>(value >> 16U));
  u16(static_cast<uint16_t>(value));
}

void DnsWriter::raw(std::span<const uint8_t> data) {
  bytes.insert(bytes.end(), data.begin(), data.end());
}

void DnsWriter::header(const DnsHeader& h) {
  for (uint16_t v : {h.id, h.flags, h.questions, h.answers, h.authorities, h.additionals}) u16(v);
}

bool DnsWriter::name(const std::string& text) {
  size_t before = bytes.size();
  auto give_up = [&] {
    bytes.resize(before);
    return false;
  };
  for (size_t from = 0; from < text.size();) {
    size_t dot = std::min(text.find('.', from), text.size());
    size_t length = dot - from;
    if (length == 0 || length > kMostLabelBytes) return give_up();
    u8(static_cast<uint8_t>(length));
    for (size_t i = from; i < dot; ++i) u8(static_cast<uint8_t>(text[i]));
    from = dot + 1;
  }
  u8(0);
  return bytes.size() - before <= kMostNameBytes || give_up();
}

void patch_u16(std::vector<uint8_t>& message, size_t at, uint16_t value) {
  message.at(at) = static_cast<uint8_t>(value >> 8U);
  message.at(at + 1) = static_cast<uint8_t>(value);
}

}  // namespace pcompose::netns
