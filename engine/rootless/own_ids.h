// The ids of the user namespace that this process lives in: user_namespaces(7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pcompose::engine::rootless {

// True in a user namespace other than the machine's: nodes cannot be made, and some ids do not
// exist.
bool in_user_namespace();

bool user_exists(uint32_t id);
bool group_exists(uint32_t id);

// True where the namespace has no other user than its root. All three read /proc once; who gives up
// the right to read it asks before.
bool has_single_id();

// Who our 0 is outside.
uint32_t user_outside();
uint32_t group_outside();
// How many ids there are from 0 on, of users and groups alike.
uint32_t id_count();

// What an ordinary user's containers lack on this machine, in sentences with the cure.
std::vector<std::string> shortcomings();

}  // namespace pcompose::engine::rootless
