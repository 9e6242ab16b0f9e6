// What a program runs on: OCI image spec, image-index.md, "platform".
#pragma once

#include <string>

namespace pcompose::engine {

struct Platform {
  std::string os;
  std::string architecture;  // Go's names: amd64, arm64
  std::string variant = {};  // "v7" of arm; "" is the architecture's usual one

  static Platform host();
  // "linux/arm64/v8", "linux/amd64", "arm64". Other names of the same (x86_64, aarch64) are
  // understood, as docker does. Throws Error.
  static Platform parse(const std::string& text);

  [[nodiscard]] std::string str() const;
  // How well what is offered runs here: 0 not at all, then the more the better. Of arm the older
  // variants run too.
  [[nodiscard]] int suits(const Platform& offered) const;
};

}  // namespace pcompose::engine
