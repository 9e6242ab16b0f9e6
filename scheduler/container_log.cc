#include "scheduler/container_log.h"

#include <charconv>

#include "compose/units.h"

namespace pcompose::scheduler {

engine::LogLimits log_limits_of(const compose::Service& service) {
  engine::LogLimits limits = engine::log_limits_from_environment();
  if (!service.logging) return limits;
  limits.keep = service.logging->driver != "none";
  for (const auto& [key, value] : service.logging->options) {
    if (key == "max-size")
      limits.max_bytes = static_cast<uint64_t>(compose::parse_bytes(value).value_or(0));
    if (key == "max-file")
      std::from_chars(value.data(), value.data() + value.size(), limits.max_files);
  }
  return limits;
}

}  // namespace pcompose::scheduler
