#include "engine/images/byte_ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace pcompose::engine {

ByteRing::ByteRing(size_t capacity) : buffer_(capacity) {}

void ByteRing::copy_in(std::string_view data) {
  size_t end = (begin_ + used_) % buffer_.size();
  size_t first = std::min(data.size(), buffer_.size() - end);
  std::memcpy(buffer_.data() + end, data.data(), first);
  std::memcpy(buffer_.data(), data.data() + first, data.size() - first);
  used_ += data.size();
  // A wake-up for every small piece would cost more than the piece.
  if (used_ - lent_ >= buffer_.size() / 8) filled_.notify_one();
}

ByteRing::Put ByteRing::offer(std::string_view data) {
  std::unique_lock lock(mutex_);
  if (data.size() > buffer_.size() / 2) throw Error("a piece is larger than the ring");
  if (abandoned_) return Put::abandoned;
  if (data.size() > free()) {
    refused_ = true;
    filled_.notify_one();
    return Put::full;
  }
  copy_in(data);
  return Put::taken;
}

bool ByteRing::put(std::string_view data) {
  std::unique_lock lock(mutex_);
  while (!data.empty()) {
    emptied_.wait(
        lock, [&] { return abandoned_ || free() >= std::min(data.size(), buffer_.size() / 4); });
    if (abandoned_) return false;
    size_t now = std::min(data.size(), free());
    copy_in(data.substr(0, now));
    data.remove_prefix(now);
  }
  return true;
}

void ByteRing::finish() {
  std::unique_lock lock(mutex_);
  finished_ = true;
  filled_.notify_one();
}

void ByteRing::fail(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  error_ = std::move(error);
  finished_ = true;
  filled_.notify_one();
}

void ByteRing::release(std::unique_lock<std::mutex>& lock) {
  begin_ = (begin_ + lent_) % buffer_.size();
  used_ -= lent_;
  lent_ = 0;
  if (free() < buffer_.size() / 2) return;
  emptied_.notify_one();
  if (!std::exchange(refused_, false) || !on_space_) return;
  lock.unlock();
  on_space_();
  lock.lock();
}

std::string_view ByteRing::next() {
  std::unique_lock lock(mutex_);
  release(lock);
  filled_.wait(lock, [&] { return finished_ || refused_ || used_ >= buffer_.size() / 8; });
  if (used_ == 0) {
    if (error_) std::rethrow_exception(error_);
    return {};
  }
  lent_ = std::min({used_, buffer_.size() - begin_, buffer_.size() / 4});
  return {buffer_.data() + begin_, lent_};
}

void ByteRing::abandon() {
  std::unique_lock lock(mutex_);
  abandoned_ = true;
  emptied_.notify_one();
  if (!std::exchange(refused_, false) || !on_space_) return;
  lock.unlock();
  on_space_();
}

}  // namespace pcompose::engine
