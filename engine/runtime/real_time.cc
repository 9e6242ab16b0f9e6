#include "engine/runtime/real_time.h"

#include <fcntl.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine::runtime {
namespace {

constexpr const char* kRuntime = "/cpu.rt_runtime_us";
constexpr const char* kPeriod = "/cpu.rt_period_us";

int64_t number_in(const std::string& path) { return std::stoll(read_file(path)); }

// Microseconds in each `period` of the group above.
int64_t share(int64_t runtime, int64_t own_period, int64_t period) {
  if (runtime <= 0 || own_period <= 0) return 0;
  return (runtime * period + own_period - 1) / own_period;
}

}  // namespace

void lend_real_time(const std::string& group, const CpuResources& cpu) {
  size_t slash = group.rfind('/');
  std::string parent = group.substr(0, slash), name = group.substr(slash + 1);
  int64_t period = number_in(parent + kPeriod);
  auto own_period =
      cpu.realtime_period ? static_cast<int64_t>(*cpu.realtime_period) : number_in(group + kPeriod);
  int64_t wanted = share(cpu.realtime_runtime.value_or(0), own_period, period);
  Fd groups = open_file(parent, O_RDONLY | O_DIRECTORY);
  for (const std::string& other : directory_entries(groups.get())) {
    std::string path = parent + "/" + other;
    if (other == name || other.find('.') != std::string::npos) continue;
    try {
      wanted += share(number_in(path + kRuntime), number_in(path + kPeriod), period);
    } catch (const Error&) {
      continue;  // no group, or one that has just gone
    }
  }
  if (number_in(parent + kRuntime) >= wanted) return;
  Fd file = open_file(parent + kRuntime, O_WRONLY);
  write_all(file.get(), std::to_string(wanted));
}

}  // namespace pcompose::engine::runtime
