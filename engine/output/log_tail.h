// Reading a container's log: lines put together from their pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/output/cri.h"
#include "engine/output/log_files.h"

namespace pcompose::engine {

struct LogLine {
  std::string time;
  Stream stream = Stream::out;
  std::string text;
};

// Reads whole lines from where the last call ended, through all generations. A damaged record is
// skipped.
class LogReader {
 public:
  explicit LogReader(std::string directory) : directory_(std::move(directory)) {}
  // Calls `sink` for every line that is new. Throws Error where a file cannot be read.
  void read_new(const std::function<void(const LogLine&)>& sink);

 private:
  void read_file_from(uint32_t generation, const std::function<void(const LogLine&)>& sink);

  std::string directory_;
  uint32_t generation_ = 0;
  uint64_t offset_ = 0;
  std::string partial_[2];
};

// The last `count` lines of a log.
std::vector<std::string> last_lines(const std::string& directory, size_t count);

}  // namespace pcompose::engine
