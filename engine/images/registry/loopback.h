// Hosts that are this machine.
#pragma once

#include <string>

namespace pcompose::engine {

// "localhost", "127.0.0.1:5000", "[::1]:5000": what never leaves the machine, so that it needs
// neither TLS nor a proxy.
bool is_loopback(const std::string& host);
bool is_loopback_url(const std::string& url);

}  // namespace pcompose::engine
