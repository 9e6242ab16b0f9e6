// Tars made by hand, block by block: what no library would write.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::engine {

struct RawEntry {
  std::string name;
  char type = '0';
  std::string body = {};
  std::string link = {};
  std::string size = {};  // the field as it is; "" is the body's length
  std::string mode = "0000644";
  std::string uid = "0000000";
  std::string major = "0000000", minor = "0000000";
  bool ustar = true;
};

inline std::string octal(uint64_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%011llo", static_cast<unsigned long long>(value));
  return text;
}

// One member with a right checksum, and its body in whole blocks.
inline std::string raw_member(const RawEntry& e) {
  std::string block(512, '\0');
  auto put = [&](size_t at, std::string_view text, size_t most) {
    std::memcpy(block.data() + at, text.data(), std::min(text.size(), most));
  };
  put(0, e.name, 100);
  put(100, e.mode, 8);
  put(108, e.uid, 8);
  put(116, e.uid, 8);
  put(124, e.size.empty() ? octal(e.body.size()) : e.size, 12);
  put(136, "00000000000", 12);
  block[156] = e.type;
  put(157, e.link, 100);
  if (e.ustar) put(257, std::string_view("ustar\00000", 8), 8);
  put(329, e.major, 8);
  put(337, e.minor, 8);
  put(148, "        ", 8);
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string_view(text, 7), 7);
  std::string body = e.body;
  body.resize((body.size() + 511) / 512 * 512);
  return block + body;
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  size_t length = key.size() + value.size() + 3, digits = std::to_string(length).size();
  if (std::to_string(length + digits).size() > digits) ++digits;
  return std::to_string(length + digits) + " " + key + "=" + value + "\n";
}

inline std::string pax(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string body;
  for (const auto& [key, value] : records) body += pax_record(key, value);
  return raw_member({.name = "PaxHeader", .type = 'x', .body = body});
}

inline std::string end_of_tar() { return std::string(1024, '\0'); }

}  // namespace pcompose::engine
