// What the caller learns of us besides the exit code.
#pragma once

#include <string>

namespace pcompose::engine::runtime {

enum class LogFormat { text, json };
enum class Level { debug, warning, error };

// Errors and warnings go to stderr; to the file, too, where there is one. One line each: as JSON
// {"msg","level","time"}, which conmon and containerd read.
class Log {
 public:
  std::string file;
  LogFormat format = LogFormat::text;
  bool debug = false;

  // Throws Error where the file cannot be opened.
  void check() const;
  void write(Level level, const std::string& message) const;
};

}  // namespace pcompose::engine::runtime
