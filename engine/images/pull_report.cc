#include "engine/images/pull_report.h"

namespace pcompose::engine {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);

}  // namespace

void PullReport::state(const std::string& digest, int64_t size, LayerProgress::State state) {
  LayerProgress& progress = layers_[digest].progress;
  progress.digest = digest;
  progress.size = size;
  progress.state = state;
  write_all(fd_, report_line(progress));
}

void PullReport::received(const std::string& digest, int64_t bytes) {
  Layer& layer = layers_[digest];
  layer.progress.received = bytes;
  auto now = std::chrono::steady_clock::now();
  if (now - layer.told < kPause) return;
  layer.told = now;
  write_all(fd_, report_line(layer.progress));
}

}  // namespace pcompose::engine
