// create, start, run, kill, delete, pause, resume.
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <regex>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/commands.h"
#include "engine/runtime/console.h"
#include "engine/runtime/container.h"
#include "engine/runtime/names.h"
#include "engine/runtime/state.h"
#include "engine/runtime/update.h"

namespace pcompose::engine::runtime {
namespace {

void warn_of(const Globals& globals, const std::vector<std::string>& failures) {
  for (const std::string& failure : failures) globals.log.write(Level::warning, failure);
}

void add_create_options(CLI::App& c, CreateOptions& o) {
  c.add_option("-b,--bundle", o.bundle, "Directory of the bundle")->capture_default_str();
  c.add_option("-f,--config", o.config, "The description in it")->capture_default_str();
  c.add_option("--pid-file", o.pid_file, "Where the process's pid is written");
  c.add_option("--console-socket", o.console_socket, "Unix socket that gets the terminal");
  c.add_option("--preserve-fds", o.preserve_fds, "How many descriptors from 3 on are passed on")
      ->check(CLI::Range(0, 10000));
  c.add_flag_callback(
      "--no-pivot", [&o] { o.pivot = Pivot::move; }, "Move the root instead of pivot_root(2)");
  c.add_flag("--no-new-keyring", o.no_new_keyring, "Accepted: the keyring is always new");
  c.add_option("ID", o.id, "Name of the container")->required();
}

// What systemd hands over to us is the container's.
int listen_descriptors() {
  const char* text = ::getenv("LISTEN_FDS");
  int count = 0;
  if (text == nullptr) return 0;
  auto [end, error] = std::from_chars(text, text + std::char_traits<char>::length(text), count);
  return error == std::errc() && *end == 0 && count > 0 && count <= 10000 ? count : 0;
}

int create(Globals& g, CreateOptions& o) {
  o.root = g.root;
  o.listen_fds = listen_descriptors();
  warn_of(g, create_container(o).warnings);
  return 0;
}

struct RunOptions : CreateOptions {
  bool detach = false;
  bool keep = false;
};

int run(Globals& g, RunOptions& o) {
  o.root = g.root;
  o.foreground = !o.detach;
  o.listen_fds = listen_descriptors();
  // Blocked from before it exists: a signal in between would end us and leave it behind.
  SignalForwarder signals;
  Created created = create_container(o);
  warn_of(g, created.warnings);
  try {
    start_container(g.root, o.id);
  } catch (const Error&) {
    warn_of(g, delete_container(g.root, o.id, Force::yes));
    throw;
  }
  if (o.detach) return 0;
  int code = signals.serve(created.pidfd, created.master).code();
  if (!o.keep) warn_of(g, delete_container(g.root, o.id, Force::yes));
  return code;
}

struct KillOptions {
  std::string id, signal = "SIGTERM";
  bool all = false;
};

int kill(Globals& g, const KillOptions& o) {
  auto signal = signal_number(o.signal);
  if (!signal) throw Error(fmt::format("\"{}\" is no signal", o.signal));
  kill_container(g.root, o.id, *signal, o.all ? Whom::all : Whom::init);
  return 0;
}

struct DeleteOptions {
  std::string id;
  bool force = false, regex = false;
};

// All containers that the expression is found in, as crun has it.
int remove_matching(Globals& g, const DeleteOptions& o) {
  std::regex wanted;
  try {
    wanted = std::regex(o.id, std::regex::extended);
  } catch (const std::regex_error& e) {
    throw Error(fmt::format("--regex \"{}\": {}", o.id, e.what()));
  }
  for (const std::string& id : StateDirectory::list(g.root)) {
    if (std::regex_search(id, wanted))
      warn_of(g, delete_container(g.root, id, o.force ? Force::yes : Force::no));
  }
  return 0;
}

int remove(Globals& g, const DeleteOptions& o) {
  if (o.regex) return remove_matching(g, o);
  try {
    warn_of(g, delete_container(g.root, o.id, o.force ? Force::yes : Force::no));
  } catch (const Error& e) {
    // What shall not be there is not there.
    if (o.force && std::string(e.what()).find("does not exist") != std::string::npos) return 0;
    throw;
  }
  return 0;
}

void add_pause(CLI::App& app, Globals& g, Command& command, const char* name, const char* what,
               Run how) {
  auto id = std::make_shared<std::string>();
  CLI::App* c = app.add_subcommand(name, what);
  c->add_option("ID", *id)->required();
  c->callback([&, id, how] {
    command = [&g, id, how] {
      pause_container(g.root, *id, how);
      return 0;
    };
  });
}

void add_ends(CLI::App& app, Globals& g, Command& command) {
  auto kill_options = std::make_shared<KillOptions>();
  CLI::App* k = app.add_subcommand("kill", "Send a signal to a container");
  k->add_flag("-a,--all", kill_options->all, "To all its processes");
  k->add_option("ID", kill_options->id)->required();
  k->add_option("SIGNAL", kill_options->signal)->capture_default_str();
  k->callback(
      [&, kill_options] { command = [&g, kill_options] { return kill(g, *kill_options); }; });
  auto delete_options = std::make_shared<DeleteOptions>();
  CLI::App* d = app.add_subcommand("delete", "Remove what is left of a container");
  d->add_flag("-f,--force", delete_options->force, "Kill it where it runs");
  d->add_flag("--regex", delete_options->regex, "ID is an extended regular expression");
  d->add_option("ID", delete_options->id)->required();
  d->callback([&, delete_options] {
    command = [&g, delete_options] { return remove(g, *delete_options); };
  });
}

}  // namespace

void add_life_commands(CLI::App& app, Globals& g, Command& command) {
  auto create_options = std::make_shared<CreateOptions>();
  CLI::App* c = app.add_subcommand("create", "Make a container whose program waits for `start`");
  add_create_options(*c, *create_options);
  c->callback([&, create_options] {
    command = [&g, create_options] { return create(g, *create_options); };
  });
  auto id = std::make_shared<std::string>();
  CLI::App* s = app.add_subcommand("start", "Run the program of a created container");
  s->add_option("ID", *id)->required();
  s->callback([&, id] {
    command = [&g, id] {
      start_container(g.root, *id);
      return 0;
    };
  });
  auto run_options = std::make_shared<RunOptions>();
  CLI::App* r = app.add_subcommand("run", "create, start, and delete at its end");
  add_create_options(*r, *run_options);
  r->add_flag("-d,--detach", run_options->detach, "Do not wait for its end");
  r->add_flag("--keep", run_options->keep, "Do not delete it at its end");
  r->callback([&, run_options] { command = [&g, run_options] { return run(g, *run_options); }; });
  add_ends(app, g, command);
  add_pause(app, g, command, "pause", "Stop all its processes for a while", Run::paused);
  add_pause(app, g, command, "resume", "Let them go on", Run::resumed);
}

}  // namespace pcompose::engine::runtime
