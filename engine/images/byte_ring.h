// Bytes on their way from one thread to another, at most so many of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "engine/images/stream.h"

namespace pcompose::engine {

// One thread puts in, another takes out. Neither's errors are lost: fail() throws on the other side
// once everything before it has been taken, and after abandon() nothing is put in any more.
class ByteRing final : public ByteStream {
 public:
  explicit ByteRing(size_t capacity);

  // The producer's side.
  enum class Put { taken, full, abandoned };
  // Takes all of `data` or nothing, without waiting. After `full` the next time that half of the
  // ring is free on_space() is called, on the consumer's thread. Throws Error where `data` is
  // larger than half of the ring.
  [[nodiscard]] Put offer(std::string_view data);
  // Waits for space. False where nobody wants it any more.
  [[nodiscard]] bool put(std::string_view data);
  void finish();
  void fail(std::exception_ptr error);
  // Before the first offer().
  void on_space(std::function<void()> call) { on_space_ = std::move(call); }

  // The consumer's side.
  std::string_view next() override;
  void abandon();

 private:
  [[nodiscard]] size_t free() const { return buffer_.size() - used_; }
  void copy_in(std::string_view data);
  void release(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable filled_, emptied_;
  std::function<void()> on_space_;
  std::vector<char> buffer_;
  size_t begin_ = 0;      // of what is in it
  size_t used_ = 0;       // bytes in it, those included that the consumer looks at
  size_t lent_ = 0;       // bytes that the consumer looks at
  bool refused_ = false;  // an offer found no space
  bool finished_ = false;
  bool abandoned_ = false;
  std::exception_ptr error_;
};

}  // namespace pcompose::engine
