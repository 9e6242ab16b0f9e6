// Settings under /proc/sys of the calling thread's network namespace. Private to the room.
#pragma once

#include <string>
#include <string_view>

namespace pcompose::netns {

// "net/ipv4/ip_forward". Throws Error naming it.
void write_sysctl(const std::string& key, std::string_view value);
// False where the kernel has no such setting (IPv6 not built in or switched off at boot: wanted
// state anyway).
bool write_sysctl_if_there(const std::string& key, std::string_view value);
// Without the newline. Throws Error.
std::string read_sysctl(const std::string& key);

}  // namespace pcompose::netns
