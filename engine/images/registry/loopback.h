// Hosts of addresses, and which of them are this machine.
#pragma once

#include <string>

namespace pcompose::engine {

// "localhost", "127.0.0.1:5000", "[::1]:5000": what never leaves the machine, so that it needs
// neither TLS nor a proxy.
bool is_loopback(const std::string& host);
bool is_loopback_url(const std::string& url);
// "h:5000" of "https://user:password@h:5000/v2/"; "" where it has none.
std::string url_host(const std::string& url);
// The same address without the user and the password.
std::string without_password(const std::string& url);

}  // namespace pcompose::engine
