// $VAR and ${VAR…} in texts.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pcompose::compose {

// The value of a variable, nullopt where it is unset.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
// Told of every variable that was unset where an empty text took its place.
using OnUnset = std::function<void(std::string_view name)>;

// Knows $V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+r} ${V+r}, nested, and $$ for a dollar sign. A
// dollar sign that begins none of these stands for itself. The error says what is wrong and how to
// write it.
std::expected<std::string, std::string> interpolate(std::string_view text, const Lookup& lookup,
                                                    const OnUnset& on_unset = {});

// Whether a text that was not interpolated has a variable in it. $$ is taken for one.
inline bool has_variable(std::string_view text) { return text.find('$') != text.npos; }

}  // namespace pcompose::compose
