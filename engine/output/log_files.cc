#include "engine/output/log_files.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

namespace pcompose::engine {

LogLimits log_limits_from_environment() {
  LogLimits limits;
  auto read = [](const char* name, auto& value) {
    const char* text = std::getenv(name);
    if (text == nullptr) return;
    auto number = std::strtoull(text, nullptr, 10);
    if (number > 0) value = static_cast<std::remove_reference_t<decltype(value)>>(number);
  };
  read("PCOMPOSE_LOG_MAX_BYTES", limits.max_bytes);
  read("PCOMPOSE_LOG_MAX_FILES", limits.max_files);
  return limits;
}

std::string log_file_name(uint32_t generation) { return fmt::format("{:06}.log", generation); }

std::vector<uint32_t> log_generations(const std::string& directory) {
  std::vector<uint32_t> out;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(directory, gone)) {
    std::string name = entry.path().filename().string();
    uint32_t number = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && std::string_view(end) == ".log") out.push_back(number);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace pcompose::engine
