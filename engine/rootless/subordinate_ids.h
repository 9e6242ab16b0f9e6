// The ids that /etc/subuid and /etc/subgid give to a user: subuid(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/container_ids.h"
#include "engine/spec.h"

namespace pcompose::engine::rootless {

// Of a file's text, the map of a namespace whose root is the user: 0 to `id`, and from 1 on all
// that the user, by name or number, was given, in the file's order. Lines that make no sense are
// skipped, as newuidmap(1) does. One entry where there is no range.
std::vector<IdMapping> id_map(const std::string& text, const std::string& user, uint32_t user_id,
                              uint32_t id);

// The first range that a user who is nobody's login has, by its name.
std::optional<IdRange> first_range(const std::string& text, const std::string& user);

}  // namespace pcompose::engine::rootless
