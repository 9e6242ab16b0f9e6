// The merged and canonical tree of all files: what `config` prints and what a Project is decoded
// from.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

struct ModelOptions {
  bool interpolate = true;
  bool normalize = true;
  bool resolve_paths = true;
  bool check_consistency = true;
  bool resolve_environment = true;  // reads env_file and label_file
};

// The value of a variable, by who takes it ("secrets.KEY") and the variable's name.
using MaterialValues = std::map<std::pair<std::string, std::string>, std::string>;

// root holds services (the active ones), networks, volumes, secrets, configs and x-…, each a
// canonical mapping that may be absent. Only resources that an active service uses are left.
struct Model {
  Node root;
  Node disabled_services;  // a mapping, canonical
  std::string name;
  std::string name_from;                           // in words: -p, a place, the directory
  std::map<std::string, std::string> environment;  // what variables are taken from
  MaterialValues included_values;                  // what `environment` does not have
  std::string working_dir;
  std::vector<std::string> config_files;
  std::vector<std::string> profiles;
  std::set<std::string> needed;  // the services that were asked for, and what they depend on
};

// Runs the whole pipeline up to, but without, the decoding. Throws ComposeError with all errors,
// Error as load() does. Warnings go to `diagnostics`.
Model build_model(const LoadOptions& options, const ModelOptions& steps, const FileReader& files,
                  Diagnostics& diagnostics);

}  // namespace pcompose::compose
