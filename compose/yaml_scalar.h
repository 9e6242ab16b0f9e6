// What an unquoted YAML scalar is: null, boolean, number or text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "compose/yaml_node.h"

namespace pcompose::compose {

// The kind by the YAML 1.2 core schema, with the older octal form 0123 that compose files rely on
// (`mode: 0440`). yes, no, on and off are strings.
Kind plain_kind(std::string_view text);

// An integer as written in YAML: decimal, 0x, 0o, 0b, leading zero for octal, underscores between
// digits. nullopt where it is none or does not fit.
std::optional<int64_t> parse_integer(std::string_view text);
// A number as written in YAML, integers included. nullopt where it is none.
std::optional<double> parse_real(std::string_view text);

// The shortest text that reads back as the same number, with an exponent from 1e21 on: "1.5",
// "1000".
std::string real_text(double value);

// The text that an untyped scalar has as an environment variable or a label: 1.10 -> "1.1", 0x1F ->
// "31".
std::string scalar_text(const Node& node);

}  // namespace pcompose::compose
