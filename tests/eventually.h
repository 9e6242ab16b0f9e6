// Waits for what comes about in its own time: the kernel takes namespaces down asynchronously, and
// a machine with other work is slow. Who waits long enough fails only where it never comes.
#pragma once

#include <chrono>
#include <thread>

namespace pcompose::test {

// Until `condition` holds, at most so long; true where it came to hold.
template <typename Condition>
bool eventually(const Condition& condition,
                std::chrono::milliseconds limit = std::chrono::seconds(60)) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace pcompose::test
