// What an answer that is no success means, and what to do about it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "engine/images/pull_request.h"
#include "engine/images/registry/http.h"

namespace pcompose::engine {

// Whether it may go better in a moment: broken connections, time-outs, 408, 429, 5xx.
bool is_transient(const HttpResult& result);

// Retry-After, in seconds or as a date: RFC 9110, 10.2.3. nullopt where there is none.
std::optional<std::chrono::seconds> retry_after(const HttpHead& head, WallTime now);

// The error for `what` ("library/nginx:latest") at the registry, with a hint. Texts of the server
// are cut and cleaned.
Error registry_error(const HttpResult& result, const ImageSource& source, const std::string& what);

}  // namespace pcompose::engine
