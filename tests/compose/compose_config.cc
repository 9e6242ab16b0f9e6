// compose-config [-p NAME] [-f FILE] [--project-directory DIR] [--env-file FILE] [--profile NAME]
// config
//   [--format FORMAT] [--no-interpolate] [--no-normalize] [--no-path-resolution] [--no-consistency]
//   [SERVICE…]
// With COMPOSE_CONFIG_STRICT=1 attributes that pcompose cannot do are errors, as they are for `up`.
#include <iostream>
#include <string>

#include "compose/config_output.h"

namespace {

using namespace pcompose;
using namespace pcompose::compose;

struct Arguments {
  LoadOptions load = options_from_process();
  ConfigOptions config;
};

void read_argument(Arguments& a, const std::string& word, const auto& next) {
  if (word == "-p")
    a.load.project_name = next();
  else if (word == "-f")
    a.load.files.push_back(next());
  else if (word == "--project-directory")
    a.load.project_directory = next();
  else if (word == "--env-file")
    a.load.env_files.push_back(next());
  else if (word == "--profile")
    a.load.profiles.push_back(next());
  else if (word == "--format")
    a.config.format = next() == "json" ? ConfigFormat::json : ConfigFormat::yaml;
  else if (word == "--no-interpolate")
    a.config.interpolate = false;
  else if (word == "--no-normalize")
    a.config.normalize = false;
  else if (word == "--no-path-resolution")
    a.config.resolve_paths = false;
  else if (word == "--no-consistency")
    a.config.check_consistency = false;
  else if (word == "--services")
    a.config.output = ConfigOutput::services;
  else if (word == "--hash")
    a.config.output = ConfigOutput::hash;
  else if (word == "-q")
    a.config.output = ConfigOutput::quiet;
  else if (word != "config")
    a.config.services.push_back(word);
}

int run(int argc, char** argv) {
  Arguments arguments;
  auto strict = arguments.load.environment.contains("COMPOSE_CONFIG_STRICT");
  arguments.load.unsupported = strict ? Unsupported::refuse : Unsupported::warn;
  for (int i = 1; i < argc; ++i) {
    read_argument(arguments, argv[i],
                  [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); });
  }
  std::vector<Diagnostic> warnings;
  int code = run_config(arguments.load, arguments.config, DiskFiles(), std::cout, warnings);
  for (const Diagnostic& warning : warnings) std::cerr << "warning: " << warning.str() << '\n';
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return error.exit_code();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
