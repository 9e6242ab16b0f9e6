// NetworkOptions as the text of a column. Private to the room.
#pragma once

#include <string>

#include "base/json.h"
#include "netns/network_store.h"

namespace pcompose::netns {

std::string options_to_json(const NetworkOptions& options);
// Throws Error where it is not what options_to_json() wrote.
NetworkOptions options_from_json(const std::string& text);

}  // namespace pcompose::netns
