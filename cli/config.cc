#include <iostream>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"
#include "cli/command.h"
#include "cli/version.h"
#include "compose/config_output.h"
#include "compose/sarif.h"
#include "scheduler/image_transfer.h"
#include "scheduler/materials.h"

namespace pcompose::cli {
namespace {

struct ConfigFlags {
  bool quiet = false, services = false, volumes = false, networks = false, images = false,
       profiles = false, models = false, environment = false, variables = false, sarif = false;
  bool no_interpolate = false, no_normalize = false, no_paths = false, no_consistency = false,
       no_environment = false, resolve_digests = false, lock_digests = false;
  std::string format, output, explain;
  std::vector<std::string> hash;
  std::vector<std::string> names;
};

compose::ConfigOutput output_of(const ConfigFlags& flags) {
  using compose::ConfigOutput;
  if (flags.quiet) return ConfigOutput::quiet;
  if (flags.services) return ConfigOutput::services;
  if (flags.volumes) return ConfigOutput::volumes;
  if (flags.networks) return ConfigOutput::networks;
  if (flags.images) return ConfigOutput::images;
  if (flags.profiles) return ConfigOutput::profiles;
  if (flags.models) return ConfigOutput::models;
  if (flags.environment) return ConfigOutput::environment;
  if (flags.variables) return ConfigOutput::variables;
  if (!flags.explain.empty()) return ConfigOutput::explain;
  return flags.hash.empty() ? ConfigOutput::model : ConfigOutput::hash;
}

void write_out(const std::string& text, const std::string& file) {
  if (file.empty()) {
    std::cout << text;
  } else {
    replace_file(file, text);
  }
}

// Every remark, none on stderr: editors and CI read this.
int print_sarif(const compose::LoadOptions& load, compose::ConfigOptions options,
                const std::string& file) {
  std::ostringstream nothing;
  std::vector<Diagnostic> found, errors;
  options.output = compose::ConfigOutput::quiet;
  try {
    compose::run_config(load, options, compose::DiskFiles(), nothing, found);
  } catch (const ComposeError& e) {
    errors = e.diagnostics();
  } catch (const Error& e) {
    errors.push_back({e.position(), "", e.message(), Severity::error});
  }
  found.insert(found.begin(), errors.begin(), errors.end());
  write_out(compose::sarif_text(found, kVersion), file);
  return errors.empty() ? 0 : 1;
}

int config(const Globals& globals, const ConfigFlags& flags) {
  compose::LoadOptions load = globals.load_options(flags.names);
  load.unsupported = compose::Unsupported::warn;
  compose::ConfigOptions options;
  options.output = output_of(flags);
  if (flags.format == "json") options.format = compose::ConfigFormat::json;
  if (flags.format == "yaml") options.format = compose::ConfigFormat::yaml;
  options.services = flags.names;
  if (!flags.hash.empty() && flags.hash.front() != "*") options.services = flags.hash;
  options.explain = flags.explain;
  options.hash = [](const compose::Service& service, const compose::Project& project) {
    scheduler::Materials materials([](const std::string&, int) {});
    for (const auto& [name, value] : project.from_environment) materials.put(name, value);
    bool grants = !service.secrets.empty() || !service.configs.empty();
    std::string key = grants ? scheduler::hash_key(Roots::from_environment().state) : "";
    return materials.config_hash(service, project, key);
  };
  options.resolve_environment = !flags.no_environment;
  options.interpolate = !flags.no_interpolate;
  options.normalize = !flags.no_normalize;
  options.resolve_paths = !flags.no_paths;
  options.check_consistency = !flags.no_consistency;
  options.images_only = flags.lock_digests;
  if (flags.resolve_digests || flags.lock_digests) {
    options.pin_images = [](const std::set<std::string>& images) {
      return scheduler::pin_images(Roots::from_environment(), images);
    };
  }
  std::ostringstream text;
  std::vector<Diagnostic> warnings;
  // The kernel takes it back with the process, at once.
  static auto* remains = std::make_unique<std::shared_ptr<const void>>().release();
  options.remains = remains;
  if (!flags.names.empty() && (flags.no_interpolate || flags.variables)) {
    fmt::print(stderr, "warning: service filtering is not applied when --{} is set\n",
               flags.variables ? "variables" : "no-interpolate");
    options.services.clear();
    load.services.clear();
  }
  if (flags.sarif) return print_sarif(load, options, flags.output);
  int code = compose::run_config(load, options, compose::DiskFiles(), text, warnings);
  for (const auto& w : warnings) fmt::print(stderr, "{}\n", w.str());
  write_out(text.str(), flags.output);
  return code;
}

}  // namespace

void add_config(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* c = app.add_subcommand("config", "Print the model that the files make");
  c->alias("convert");
  c->add_option("--format", flags->format, "yaml or json")->check(CLI::IsMember({"yaml", "json"}));
  c->add_flag("-q,--quiet", flags->quiet, "Only check");
  c->add_flag("--services", flags->services, "Names of services");
  c->add_flag("--volumes", flags->volumes, "Names of volumes");
  c->add_flag("--networks", flags->networks, "Names of networks");
  c->add_flag("--images", flags->images, "Images");
  c->add_flag("--profiles", flags->profiles, "Names of profiles");
  c->add_flag("--models", flags->models, "Models");
  c->add_flag("--environment", flags->environment, "What variables are taken from");
  c->add_flag("--variables", flags->variables, "The variables that the files name");
  c->add_option("--explain", flags->explain, "Where a value came from: services.web.ports");
  c->add_flag("--sarif", flags->sarif, "All diagnostics as SARIF 2.1.0");
  c->add_option("--hash", flags->hash, "Hashes of services (a,b), or * for all")
      ->delimiter(',')
      ->allow_extra_args(false);
  c->add_flag("--no-interpolate", flags->no_interpolate, "Leave variables as they are");
  c->add_flag("--no-normalize", flags->no_normalize, "Leave short forms as they are");
  c->add_flag("--no-path-resolution", flags->no_paths, "Leave relative paths as they are");
  c->add_flag("--no-consistency", flags->no_consistency, "Do not check references");
  c->add_flag("--no-env-resolution", flags->no_environment, "Do not read env_file");
  c->add_flag("--resolve-image-digests", flags->resolve_digests,
              "Pin images to the digests that their registries have now");
  c->add_flag("--lock-image-digests", flags->lock_digests,
              "An override file with the pinned images alone");
  c->add_option("-o,--output", flags->output, "Write there instead of stdout");
  c->add_option("services_named", flags->names, "Only these and what they depend on");
  c->callback([&, flags] { run = [&, flags] { return config(globals, *flags); }; });
}

}  // namespace pcompose::cli
