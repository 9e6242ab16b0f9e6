// Pipes for splice(2), lent while bytes are in flight. Private to the forwarder.
#pragma once

#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace pcompose::netns::forwarder {

struct Pipe {
  struct Decrement {
    void operator()(size_t* count) const { --*count; }
  };
  Fd out, in;                                  // read, write
  std::unique_ptr<size_t, Decrement> counted;  // among those that are large
  explicit operator bool() const { return static_cast<bool>(out); }
};

// Idle connections, which are most, have none: a thousand cost two descriptors each and no buffer.
// So many are large, which is a twentieth faster; an ordinary user's shrink beyond 64 MB (pipe(7)),
// which this keeps away from.
class PipePool {
 public:
  // Empty where the process is out of descriptors.
  Pipe take() {
    if (!free_.empty()) {
      Pipe out = std::move(free_.back());
      free_.pop_back();
      return out;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
    Pipe made{Fd(ends[0]), Fd(ends[1]), {}};
    if (large_ < kMost && ::fcntl(ends[0], F_SETPIPE_SZ, kLarge) > 0) {
      ++large_;
      made.counted.reset(&large_);
    }
    return made;
  }
  // Only an empty one.
  void give_back(Pipe pipe) {
    if (free_.size() < kMost) free_.push_back(std::move(pipe));
  }

 private:
  static constexpr size_t kMost = 64;
  static constexpr int kLarge = 256 << 10;  // bytes
  size_t large_ = 0;
  std::vector<Pipe> free_;
};

}  // namespace pcompose::netns::forwarder
