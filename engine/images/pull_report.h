// Lines of the report while a pull goes on: at most ten a second for bytes, at once for what
// happens.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/fd.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// On one thread. Throws Error where nobody reads the report any more.
class PullReport {
 public:
  explicit PullReport(int fd) : fd_(fd) {}
  void state(const std::string& digest, int64_t size, LayerProgress::State state);
  void received(const std::string& digest, int64_t bytes);
  void image(const PulledImage& image) { write_all(fd_, report_line(image)); }

 private:
  struct Layer {
    LayerProgress progress;
    std::chrono::steady_clock::time_point told;
  };
  int fd_;
  std::map<std::string, Layer> layers_;
};

}  // namespace pcompose::engine
