// The header WWW-Authenticate: RFC 9110, 11.6.1; what registries put into it: distribution's
// "Token Authentication Specification".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::engine {

struct Challenge {
  std::string scheme;                             // lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case
};

// All challenges of one header line, in order; what cannot be read ends the list. Never throws for
// what a server may send.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace pcompose::engine
