// The CRI log format: one record a line, "TIME STREAM TAG TEXT". Source: kubernetes' CRI logging
// format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pcompose::engine {

enum class Stream : uint32_t { out = 0, err = 1 };

// Longer lines are split; every piece but the last is tagged P.
constexpr size_t kMaxRecordText = 16384;

// Does the text end here for good (the writer has ended), or may the rest of the line still come?
enum class Tail { open, final };

// Appends `text` as records of one time (nanoseconds since 1970). A pure function of its arguments,
// and records of one text have one length whatever the time: a chunk that is formatted again lands
// on its own bytes.
void append_records(std::string& log, std::string_view text, Stream stream, uint64_t time_ns,
                    Tail tail);

// "2026-01-02T03:04:05.678901234Z": always 30 characters.
std::string format_time(uint64_t time_ns);

struct Record {
  std::string_view time;  // RFC 3339 with nanoseconds
  Stream stream = Stream::out;
  bool complete = true;  // tag F
  std::string_view text;
};

// One line of a log without its newline; nullopt where it is damaged.
std::optional<Record> parse_record(std::string_view line);

}  // namespace pcompose::engine
