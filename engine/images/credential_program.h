// Programs that keep passwords: docker-credential-NAME get.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/images/pull_request.h"

namespace pcompose::engine {

// Runs docker-credential-`helper`, found in PATH, with `registry` on its standard input. nullopt
// where it has nothing for it. Blocks, 30 seconds at most. Throws Error where it is missing or
// fails; what it printed is not repeated.
std::optional<Credentials> ask_credential_helper(const std::string& helper,
                                                 const std::string& registry);

// {"ServerURL": …, "Username": …, "Secret": …}; the user "<token>" means that the secret is an
// identity token. Throws Error.
Credentials parse_helper_answer(std::string_view answer, const std::string& helper);

}  // namespace pcompose::engine
