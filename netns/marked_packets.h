// How the forwarder knows that it may speak in its clients' names.
#pragma once

#include <cstdint>

namespace pcompose::netns {

// Of answers to sockets bound to clients' addresses, in a namespace of our own.
inline constexpr uint32_t kClientsMark = 0x70c;

// Whether Kernel::deliver_marked() has been here. `route`: an rtnetlink socket of the namespace.
bool delivers_marked(int route, uint8_t family, uint32_t mark);

}  // namespace pcompose::netns
