// Fills in what the compose specification says where the files are silent.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/project_files.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// The named services and all that they depend on, directly and indirectly; all where none is named.
std::set<std::string> with_dependencies(const Node& services,
                                        const std::vector<std::string>& names);

// Merges env_file and label_file into environment and labels, and takes the value of a bare name
// from the project's environment. Reports files that are missing or bad: as warnings for services
// that are not `needed`.
void resolve_environment(Node& services, const std::set<std::string>& needed,
                         const ProjectFiles& project, const FileReader& files,
                         Diagnostics& diagnostics);

// Gives names without a value (null) in a mapping that of a variable, where there is one.
void take_bare_names(Node* environment, const Environment& values);

// Dependencies that follow from links and shared namespaces.
void add_implied_dependencies(Node& services);

// A build's context, which is `directory`, and where secrets are mounted.
void add_default_values(Node& services, const std::string& directory);

// Default networks, names of resources, what follows from other attributes.
void add_defaults(Node& root, const std::string& project_name);

// Drops networks, volumes, secrets and configs that no service in `root` uses.
void drop_unused(Node& root);

}  // namespace pcompose::compose
