#include <iostream>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/command.h"
#include "compose/config_output.h"

namespace pcompose::cli {
namespace {

struct ConfigFlags {
  bool quiet = false, services = false, volumes = false, networks = false, images = false,
       profiles = false;
  bool no_interpolate = false, no_normalize = false, no_paths = false, no_consistency = false;
  std::string format = "yaml", output, hash;
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
  return flags.hash.empty() ? ConfigOutput::model : ConfigOutput::hash;
}

int config(const Globals& globals, const ConfigFlags& flags) {
  compose::LoadOptions load = globals.load_options(flags.names);
  load.unsupported = compose::Unsupported::warn;
  compose::ConfigOptions options;
  options.output = output_of(flags);
  options.format =
      flags.format == "json" ? compose::ConfigFormat::json : compose::ConfigFormat::yaml;
  options.services = flags.names;
  if (!flags.hash.empty() && flags.hash != "*") options.services = {flags.hash};
  options.interpolate = !flags.no_interpolate;
  options.normalize = !flags.no_normalize;
  options.resolve_paths = !flags.no_paths;
  options.check_consistency = !flags.no_consistency;
  std::ostringstream text;
  std::vector<Diagnostic> warnings;
  int code = compose::run_config(load, options, compose::DiskFiles(), text, warnings);
  for (const auto& w : warnings) fmt::print(stderr, "{}\n", w.str());
  if (flags.output.empty()) {
    std::cout << text.str();
    return code;
  }
  replace_file(flags.output, text.str());
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
  c->add_option("--hash", flags->hash, "Hash of a service, or * for all");
  c->add_flag("--no-interpolate", flags->no_interpolate, "Leave variables as they are");
  c->add_flag("--no-normalize", flags->no_normalize, "Leave short forms as they are");
  c->add_flag("--no-path-resolution", flags->no_paths, "Leave relative paths as they are");
  c->add_flag("--no-consistency", flags->no_consistency, "Do not check references");
  c->add_option("-o,--output", flags->output, "Write there instead of stdout");
  c->add_option("services_named", flags->names, "Only these and what they depend on");
  c->callback([&, flags] { run = [&, flags] { return config(globals, *flags); }; });
}

}  // namespace pcompose::cli
