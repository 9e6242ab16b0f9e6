// Files of NAME=VALUE lines: .env, --env-file, env_file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compose/interpolate.h"

namespace pcompose::compose {

struct Variable {
  std::string name;
  std::optional<std::string> value;  // nullopt: a bare name that the lookup does not know
  int line = 0;
};

// The dialect of .env: `export`, blanks around `=`, comments, quotes over several lines, escapes in
// double quotes, variables in all but single quotes (looked up first, then taken from above in the
// file). A bare name takes the looked-up value. Throws ComposeError at the line.
std::vector<Variable> parse_dotenv(std::string_view text, const std::string& shown_as,
                                   const Lookup& lookup);

// `format: raw`: everything after `=` is the value, whatever it holds. Throws ComposeError at the
// line.
std::vector<Variable> parse_raw_env(std::string_view text, const std::string& shown_as,
                                    const Lookup& lookup);

}  // namespace pcompose::compose
