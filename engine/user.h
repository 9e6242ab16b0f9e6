// `user:` of a container: names become ids by the container's own /etc/passwd and /etc/group.
#pragma once

#include <string>
#include <string_view>

#include "engine/spec.h"

namespace pcompose::engine {

// "uid", "name", "uid:gid", "name:group", "" (root), by the texts of the two files (either may be
// empty). Supplementary groups are those the files list for the user, unless a group was written.
// Throws Error with what is missing and a hint.
User resolve_user(std::string_view wanted, std::string_view passwd, std::string_view group,
                  std::string* home = nullptr);

// The same, reading both files beneath `root` (an O_PATH descriptor); links never lead out of it.
User resolve_user_in(int root, std::string_view wanted, std::string* home = nullptr);

// A group by name or number, by the text of /etc/group or by the file beneath `root`. Throws Error.
uint32_t resolve_group(std::string_view wanted, std::string_view group);
uint32_t resolve_group_in(int root, std::string_view wanted);

// The highest id that both files beneath `root` name, `nobody` and `nogroup` apart; 0 where there
// is none.
uint32_t highest_id_in(int root);

}  // namespace pcompose::engine
