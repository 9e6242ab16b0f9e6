// What plans are put together from, for the keeper's (compile.cc) and those of bundles
// (runtime/bundle_plan.cc).
#pragma once

#include <string>

#include "engine/launch/kernel_abi.h"
#include "engine/plan.h"

namespace pcompose::engine {

launch::Op op(launch::OpCode code);
void add_text(Plan& plan, launch::OpCode code, const std::string& s1, const std::string& s2 = "");
// One mount with all that is said of it.
void add_mount(Plan& plan, const Mount& mount);
void add_root(Plan& plan, const Root& root);
// The six nodes and the links that every container has (OCI runtime spec, config-linux, "Default
// Devices").
void add_default_devices(Plan& plan);
// One more node, with its own mode and owner.
void add_device(Plan& plan, const Device& device);
void add_default_links(Plan& plan);
// What a user namespace can have instead: the host's nodes (mknod(2) makes none that work there).
void bind_default_devices(Plan& plan);
void bind_device(Plan& plan, const std::string& host_path, const std::string& path, int tree = -1);
// Those of add_default_devices(), and the terminal multiplexer, which is the container's own
// devpts.
bool is_default_device(const std::string& path);
void add_cgroups(Plan& plan, const Linux& linux);
void add_stdio(Plan& plan, const Process& process);
void add_working_directory(Plan& plan, const Process& process);
// Limits, scheduling, labels, user, capabilities, filter.
void add_identity(Plan& plan, const Process& process, const Linux& linux);
void add_exec(Plan& plan, const Process& process);
// PATH of the process's environment, or the usual one.
std::string search_path(const Process& process);

}  // namespace pcompose::engine
