// `runtime:`: OCI runtimes of others, by their standard command line.
#pragma once

#include <string>

#include "compose/project.h"

namespace pcompose::scheduler {

// The program that runs the service's containers; "" is ours. A name is looked for where programs
// are (environ(7), PATH). Throws Error with the place in the file where there is none.
std::string oci_runtime_of(const compose::Service& service);

// Throws Error for the first service whose runtime is not there, or cannot have what it asks for.
void check_runtimes(const compose::Project& project);

}  // namespace pcompose::scheduler
