// A systemd unit of its own for a project's processes: a delegated scope, in which limits may be
// set and which outlives the login that it was started from. Where systemd does not run there is
// none.
#pragma once

#include <string>

#include "base/process.h"
#include "base/roots.h"

namespace pcompose::engine {

// "pcompose-shop.scope". `of` is a project, or what else of the root has a life of its own; systemd
// takes letters, digits and :-_.\ (systemd.unit(5)), of which a project's name has a part.
std::string unit_name(const Roots& roots, const std::string& of);

// The group of the unit within the v2 hierarchy, where /proc/self/cgroup (cgroups(7)) says that the
// process lives in it; "" where not. Pure.
std::string group_of_unit(const std::string& own_groups, const std::string& name);

// Makes of a program that is to be spawned one that first gets the unit, by pcompose-unit; a second
// program of the same unit joins it. Where no systemd runs, or none for this user, it is left as it
// is. What systemd refuses is said on stderr, and the program runs without.
void put_into_unit(SpawnOptions& options, const Roots& roots, const std::string& of);

}  // namespace pcompose::engine
