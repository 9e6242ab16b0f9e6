// Time as a dependency, so that state machines are tested in virtual time.
#pragma once

#include <chrono>

namespace pcompose {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
};

// Stands still until it is told to move.
class VirtualClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant(elapsed_); }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(elapsed_));
  }
  void advance(Duration by) { elapsed_ += by; }

 private:
  Duration elapsed_{};
};

}  // namespace pcompose
