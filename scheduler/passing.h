// Bytes over a unix socket, with at most one descriptor: unix(7).
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/fd.h"

namespace pcompose::scheduler {

// Appends what is there, or waits for something; a descriptor that came along goes to `passed`.
// False where the other side has gone.
bool receive(int socket, std::string& bytes, Fd& passed);

// sendmsg(2): `passed`, where it is one, goes with the first byte.
ssize_t send(int socket, std::string_view bytes, const Fd& passed, int flags);

}  // namespace pcompose::scheduler
