// pcompose-runtime: containers by the OCI runtime command line.
#include <set>
#include <sys/stat.h>

#include "base/error.h"
#include "engine/runtime/commands.h"
#include "engine/runtime/read_only_self.h"
#include "engine/runtime/state.h"

namespace pcompose::engine::runtime {
namespace {

// "exec [OPTION...] CONTAINER PROGRAM ARG...": what follows the container is the program's, also
// where it looks like an option of ours.
std::vector<std::string> cut_exec_words(int& argc, char** argv) {
  static const std::set<std::string> kWithValue = {"--root",
                                                   "--log",
                                                   "--log-format",
                                                   "--cgroup-manager",
                                                   "--criu",
                                                   "--rootless",
                                                   "-p",
                                                   "--process",
                                                   "--cwd",
                                                   "-e",
                                                   "--env",
                                                   "-u",
                                                   "--user",
                                                   "-g",
                                                   "--additional-gids",
                                                   "-c",
                                                   "--cap",
                                                   "--pid-file",
                                                   "--console-socket",
                                                   "--apparmor",
                                                   "--process-label",
                                                   "--cgroup",
                                                   "--preserve-fds"};
  bool in_exec = false;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.starts_with("-") && word != "-") {
      if (kWithValue.contains(word)) ++i;
      continue;
    }
    if (in_exec) {
      std::vector<std::string> words(argv + i, argv + argc);
      argc = i;
      return words;
    }
    if (word != "exec") return {};
    in_exec = true;
  }
  return {};
}

void add_globals(CLI::App& app, Globals& g, std::string& format) {
  app.add_option("--root", g.root, "Directory of the states");
  app.add_option("--log", g.log.file, "File that also gets what went wrong");
  app.add_option("--log-format", format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_flag("--debug", g.log.debug, "Say more");
  app.add_flag("--systemd-cgroup", g.systemd_cgroup, "Refused: cgroups are made directly");
  app.add_option_function<std::string>(
         "--cgroup-manager", [&g](const std::string& m) { g.systemd_cgroup = m == "systemd"; },
         "cgroupfs")
      ->check(CLI::IsMember({"cgroupfs", "systemd", "disabled"}));
  app.add_option("--rootless", g.rootless, "Accepted: it is found out");
  app.set_version_flag("-v,--version",
                       "pcompose-runtime version " PCOMPOSE_VERSION "\nspec: 1.3.0");
  app.require_subcommand(1);
}

int run(int argc, char** argv) {
  Globals g;
  g.words = cut_exec_words(argc, argv);
  std::string format = "text";
  Command command;
  CLI::App app("Runs containers that OCI bundles describe", "pcompose-runtime");
  add_globals(app, g, format);
  add_life_commands(app, g, command);
  add_exec_command(app, g, command);
  add_query_commands(app, g, command);
  add_update_command(app, g, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    int code = app.exit(e);
    return code == 0 ? 0 : 1;
  }
  g.log.format = format == "json" ? LogFormat::json : LogFormat::text;
  try {
    g.log.check();
    if (g.systemd_cgroup)
      throw Error("cgroups by systemd are not supported").hint("use the manager cgroupfs");
    if (g.root.empty()) g.root = default_state_root();
    return command();
  } catch (const Error& e) {
    g.log.write(Level::error, e.what());
    return e.exit_code();
  } catch (const std::exception& e) {
    g.log.write(Level::error, e.what());
    return 1;
  }
}

}  // namespace
}  // namespace pcompose::engine::runtime

int main(int argc, char** argv) {
  pcompose::engine::runtime::execute_from_read_only_mount(argv);
  return pcompose::engine::runtime::run(argc, argv);
}
