// How a registry is convinced: basic, or a bearer token from its token server (distribution,
// "Token Authentication Specification" and "OAuth2 Token Authentication").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/images/pull_request.h"
#include "engine/images/registry/challenge.h"
#include "engine/images/registry/http.h"

namespace pcompose::engine {

// RFC 7617.
std::string basic_authorization(const Credentials& credentials);

// Of those in the header the one that we can answer, bearer before basic.
std::optional<Challenge> choose_challenge(const std::string& header);

// What to ask the token server for the rights `scopes` ("repository:library/nginx:pull"): GET with
// basic authentication, or a POST where there is an identity token, whose body is put into `form`.
// Throws Error where the realm is no http(s) URL.
HttpRequest token_request(const Challenge& challenge, const std::vector<std::string>& scopes,
                          const Credentials& credentials, std::string& form);

// The token in the server's answer. Throws Error.
std::string read_token(const std::string& body);

}  // namespace pcompose::engine
