// Path arithmetic on text; nothing here touches the disk.
#pragma once

#include <string>
#include <string_view>

namespace pcompose::compose {

// Without ".", ".." and double slashes, as far as the text alone tells: "/a/./b/../c" -> "/a/c".
std::string clean_path(std::string_view path);
// `path` as seen from `directory` where it is relative; cleaned.
std::string join_path(std::string_view directory, std::string_view path);
// "/a/b" -> "/a".
std::string directory_of(std::string_view path);
std::string base_name(std::string_view path);
// As a reader in `directory` would write it: relative where it lies beneath, else as it is.
std::string shown_path(std::string_view path, std::string_view directory);

}  // namespace pcompose::compose
