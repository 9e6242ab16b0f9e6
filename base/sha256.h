// SHA-256, for content addresses and short stable names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pcompose {

// Digest of a stream.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(const void* data, size_t size);
  // Lower-case hexadecimal, 64 characters. The object is used up.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view data);

// `bytes` random bytes from the kernel as lower-case hexadecimal: container ids and the like.
std::string random_hex(size_t bytes);

}  // namespace pcompose
