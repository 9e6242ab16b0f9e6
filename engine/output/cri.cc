#include "engine/output/cri.h"

#include <ctime>

#include <fmt/format.h>

namespace pcompose::engine {

std::string format_time(uint64_t time_ns) {
  auto seconds = static_cast<time_t>(time_ns / 1000000000U);
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     time_ns % 1000000000U);
}

void append_records(std::string& log, std::string_view text, Stream stream, uint64_t time_ns,
                    Tail tail) {
  const std::string head = format_time(time_ns) + (stream == Stream::out ? " stdout " : " stderr ");
  while (!text.empty()) {
    size_t newline = text.find('\n');
    bool whole = newline != std::string_view::npos;
    std::string_view piece = text.substr(0, whole ? newline : text.size());
    bool split = piece.size() > kMaxRecordText;
    if (split) piece = piece.substr(0, kMaxRecordText);
    bool complete = !split && (whole || tail == Tail::final);
    log.append(head).append(complete ? "F " : "P ").append(piece).push_back('\n');
    text.remove_prefix(piece.size() + (!split && whole ? 1 : 0));
  }
}

std::optional<Record> parse_record(std::string_view line) {
  Record record;
  auto word = [&]() -> std::string_view {
    size_t space = line.find(' ');
    std::string_view w = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    return w;
  };
  record.time = word();
  std::string_view stream = word();
  std::string_view tag = word();
  if (record.time.size() < 20 || (stream != "stdout" && stream != "stderr") ||
      (tag != "F" && tag != "P")) {
    return std::nullopt;
  }
  record.stream = stream == "stdout" ? Stream::out : Stream::err;
  record.complete = tag == "F";
  record.text = line;
  return record;
}

}  // namespace pcompose::engine
