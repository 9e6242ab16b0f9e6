// Limits of a container, and what it means that it met them.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "scheduler/container_rights.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {
namespace {

std::string size_text(uint64_t bytes) {
  constexpr uint64_t kMiB = 1U << 20U, kKiB = 1U << 10U;
  if (bytes >= kMiB && bytes % kMiB == 0) return fmt::format("{} MiB", bytes / kMiB);
  if (bytes >= kMiB) {
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
  }
  return fmt::format("{} KiB", bytes / kKiB);
}

}  // namespace

// A limit that cannot be kept stops the start, or with --limits=warn is said beside the container.
void Replica::apply_limits(engine::ContainerSpec& spec) {
  warning_.clear();
  auto& procs = spec.linux.cgroup_procs;
  for (const LimitPart& part : parts_of(service_, spec.linux.resources)) {
    try {
      for (std::string& file : context_.cgroups->limit(row_.short_id(), part.resources)) {
        if (std::ranges::find(procs, file) == procs.end()) procs.push_back(std::move(file));
      }
    } catch (Error& e) {
      if (!context_.model->lenient_limits) {
        if (e.hint().empty()) e.hint("take the limit away, or go on without it: --limits=warn");
        throw e.add(part.place).at(service_.origin(part.place));
      }
      warning_ += fmt::format("{}{}: {}", warning_.empty() ? "runs without " : ", ", part.place,
                              e.message());
    }
  }
}

// "" where nothing of it was killed for want of memory since it started.
std::string Replica::out_of_memory() const {
  engine::MemoryUse use = context_.cgroups->memory_use(row_.short_id());
  if (use.kills <= kills_before_) return "";
  std::string text =
      row_.exit_code == 137 ? "killed: out of memory" : "a process of it was killed: out of memory";
  if (use.limit) text += ", limit " + size_text(*use.limit);
  if (use.peak) text += ", peak " + size_text(*use.peak);
  return text;
}

}  // namespace pcompose::scheduler
