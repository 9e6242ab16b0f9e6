// systemd enable, systemd disable: a unit for each project.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "cli/command.h"
#include "cli/systemd_protocol.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

namespace fs = std::filesystem;

struct UnitFlags {
  std::string project, directory;
};

Manager manager_of(const Roots& roots) { return roots.rootless ? Manager::user : Manager::system; }

// systemd.unit(5), "UNIT FILE LOAD PATH".
std::string unit_directory(const UnitFlags& flags, Manager manager) {
  if (!flags.directory.empty()) return fs::absolute(flags.directory);
  if (manager == Manager::system) return "/etc/systemd/system";
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return std::string(config) + "/systemd/user";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/')
    throw Error("neither XDG_CONFIG_HOME nor HOME says where units are").hint("set HOME");
  return std::string(home) + "/.config/systemd/user";
}

// What is up, or was; else what the files here say.
compose::Project project_of(const Globals& globals, const Roots& roots, const std::string& name) {
  auto stored = scheduler::stored_project(roots, name.empty() ? project_name(globals) : name);
  if (stored) return *stored;
  if (!name.empty() && name != project_name(globals)) {
    throw Error("there is no project " + name)
        .hint("bring it up once, or go to the directory of its compose file");
  }
  return load_project(globals);
}

void require_files(const compose::Project& project) {
  if (project.config_files.empty() || project.config_files.front() == "-") {
    throw Error("project " + project.name + " was read from standard input")
        .hint("a unit needs a compose file: write one, and bring it up with -f");
  }
}

void tell_of_lingering(const std::string& user) {
  if (fs::exists("/var/lib/systemd/linger/" + user)) return;
  fmt::print(stderr,
             "warning: the unit starts when you log in and stops when you log out (hint: "
             "`loginctl enable-linger` starts it with the machine)\n");
}

int enable(const Globals& globals, const UnitFlags& flags) {
  Roots roots = Roots::from_environment();
  compose::Project project = project_of(globals, roots, flags.project);
  require_files(project);
  SystemdUnit unit;
  unit.project = project.name;
  unit.program = own_program("pcompose");
  unit.working_directory = project.working_dir;
  unit.files = project.config_files;
  unit.manager = manager_of(roots);
  if (const char* root = std::getenv("PCOMPOSE_ROOT"); root != nullptr) unit.root = root;
  std::string directory = unit_directory(flags, unit.manager);
  std::string path = directory + "/" + unit_name(unit.project);
  std::string wants = directory + "/" + wanted_by(unit.manager) + ".wants";
  fs::create_directories(wants);
  replace_file(path, unit_text(unit), 0644);
  std::string link = wants + "/" + unit_name(unit.project);
  if (::symlink(path.c_str(), link.c_str()) != 0 && errno != EEXIST)
    throw Error::from_errno("link " + link);
  bool reloaded = flags.directory.empty() && reload_units(unit.manager);
  const char* user = std::getenv("USER");
  if (unit.manager == Manager::user && user != nullptr) tell_of_lingering(user);
  fmt::print("{}\n", path);
  if (!reloaded) fmt::print(stderr, "systemd does not run here; the unit counts once it does\n");
  return 0;
}

int disable(const Globals& globals, const UnitFlags& flags) {
  Manager manager = manager_of(Roots::from_environment());
  std::string project = flags.project.empty() ? project_name(globals) : flags.project;
  std::string directory = unit_directory(flags, manager);
  std::string link = directory + "/" + wanted_by(manager) + ".wants/" + unit_name(project);
  std::string path = directory + "/" + unit_name(project);
  bool linked = ::unlink(link.c_str()) == 0;
  if (::unlink(path.c_str()) != 0) {
    if (errno != ENOENT) throw Error::from_errno("remove " + path);
    if (!linked) throw Error("there is no unit for project " + project);
  }
  if (flags.directory.empty()) reload_units(manager);
  return 0;
}

}  // namespace

void add_systemd(CLI::App& app, Globals& globals, Run& run) {
  CLI::App* systemd = app.add_subcommand("systemd", "A project as a unit of systemd");
  systemd->require_subcommand(1);
  auto add = [&](const char* name, const char* help,
                 int (*body)(const Globals&, const UnitFlags&)) {
    auto flags = std::make_shared<UnitFlags>();
    CLI::App* c = systemd->add_subcommand(name, help);
    c->add_option("project", flags->project, "Instead of the project here");
    c->add_option("--directory", flags->directory,
                  "Where units are: instead of /etc/systemd/system, or a user's own")
        ->check(CLI::ExistingDirectory);
    c->callback([&globals, &run, flags, body] {
      run = [&globals, flags, body] { return body(globals, *flags); };
    });
  };
  add("enable", "Bring the project up with the machine, or as a user with the first login", enable);
  add("disable", "Remove the unit; what runs goes on", disable);
}

}  // namespace pcompose::cli
