// Columns of text.
#pragma once

#include <string>
#include <vector>

namespace pcompose::cli {

// Left-aligned columns, three spaces between, no trailing spaces; the first row is the head.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// "12.3MB": millions of bytes, as docker.
std::string megabytes(int64_t bytes);
// "2 minutes", "About an hour", as docker words durations.
std::string words_of_duration(long seconds);

}  // namespace pcompose::cli
