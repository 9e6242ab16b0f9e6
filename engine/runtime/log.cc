#include "engine/runtime/log.h"

#include <ctime>
#include <fcntl.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"

namespace pcompose::engine::runtime {
namespace {

const char* name_of(Level level) {
  return level == Level::debug ? "debug" : level == Level::warning ? "warning" : "error";
}

std::string now_text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[32];
  size_t n = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, n};
}

}  // namespace

void Log::check() const {
  if (!file.empty()) open_file(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
}

void Log::write(Level level, const std::string& message) const {
  if (level == Level::debug && !debug) return;
  std::string plain = fmt::format("pcompose-runtime: {}\n", message);
  json::object line = {{"msg", message}, {"level", name_of(level)}, {"time", now_text()}};
  std::string json_line = json::serialize(line) + "\n";
  try {
    write_all(2, format == LogFormat::json && file.empty() ? json_line : plain);
    if (file.empty()) return;
    Fd fd = open_file(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
    write_all(fd.get(), format == LogFormat::json ? json_line : plain);
  } catch (const Error&) {
    return;  // nobody is left to tell
  }
}

}  // namespace pcompose::engine::runtime
