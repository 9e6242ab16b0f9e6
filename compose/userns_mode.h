// `userns_mode`: whose ids a container's processes have outside of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pcompose::compose {

struct UsernsMode {
  enum class Kind : uint8_t {
    host,       // those of whoever runs it
    automatic,  // a range that no other container has
    keep_id     // an ordinary user is itself inside
  };
  Kind kind = Kind::host;
  uint32_t size = 0;                 // automatic: how many ids; 0 = as many as its image asks for
  std::optional<uint32_t> uid, gid;  // keep_id: who the user is inside, if not itself
};

// "", "host", "auto", "auto:size=4096", "keep-id", "keep-id:uid=1000,gid=1000": podman-run(1),
// --userns. nullopt for anything else.
std::optional<UsernsMode> parse_userns_mode(std::string_view text);

}  // namespace pcompose::compose
