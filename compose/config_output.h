// What `config` prints.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "compose/load.h"
#include "compose/project.h"

namespace pcompose::compose {

// The first is YAML, but a table of variables.
enum class ConfigFormat { by_output, yaml, json };

// One of: the whole model, a list of names a line each, "service hash" lines, NAME=VALUE lines, a
// table, where a value came from, nothing.
enum class ConfigOutput {
  model,
  services,
  volumes,
  networks,
  images,
  profiles,
  models,
  hash,
  environment,
  variables,
  explain,
  quiet
};

struct ConfigOptions {
  ConfigOutput output = ConfigOutput::model;
  ConfigFormat format = ConfigFormat::by_output;
  std::vector<std::string> services;  // only these and what they depend on; empty = all
  bool interpolate = true;            // --no-interpolate clears it, and so on
  bool normalize = true;
  bool resolve_paths = true;
  bool check_consistency = true;
  bool resolve_environment = true;
  std::string explain;  // a path, for ConfigOutput::explain
  // For ConfigOutput::hash; empty = config_hash(), which knows no contents of secrets and configs.
  std::function<std::string(const Service&, const Project&)> hash;
  // Is given what the output was made from. A process that ends anyway keeps it: freeing the values
  // of a large file one by one takes a tenth of the whole time.
  std::shared_ptr<const void>* remains = nullptr;
  // Images as they are written -> what to print in their place (--resolve-image-digests); an image
  // that is missing stays.
  using PinImages = std::function<std::map<std::string, std::string>(const std::set<std::string>&)>;
  PinImages pin_images;
  bool images_only = false;  // --lock-image-digests: an override file with nothing else
};

// Writes the chosen output to `out` and returns the exit code. Nothing is written where it throws.
// Warnings are appended to `warnings`. Throws what load() throws, and Error ("no such service: x").
int run_config(const LoadOptions& options, const ConfigOptions& config, const FileReader& files,
               std::ostream& out, std::vector<Diagnostic>& warnings);

}  // namespace pcompose::compose
