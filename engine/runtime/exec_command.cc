#include "base/error.h"
#include "engine/runtime/commands.h"
#include "engine/runtime/entry.h"

namespace pcompose::engine::runtime {

void add_exec_command(CLI::App& app, Globals& g, Command& command) {
  auto o = std::make_shared<ExecOptions>();
  CLI::App* c = app.add_subcommand("exec", "Run a further program in a running container");
  c->add_option("-p,--process", o->process_file, "The process as JSON");
  c->add_option("--cwd", o->cwd, "Its working directory");
  c->add_option("-e,--env", o->env, "K=V")->allow_extra_args(false);
  c->add_flag("-t,--tty", o->terminal, "With a terminal of its own");
  c->add_option("-u,--user", o->user, "uid, name, uid:gid");
  c->add_option("-g,--additional-gids", o->groups, "Further groups")->allow_extra_args(false);
  c->add_flag("-d,--detach", o->detach, "Do not wait for its end");
  c->add_option("--pid-file", o->pid_file, "Where its pid is written");
  c->add_option("--console-socket", o->console_socket, "Unix socket that gets the terminal");
  c->add_option("-c,--cap", o->capabilities, "Further capability")->allow_extra_args(false);
  c->add_flag_callback("--no-new-privs", [o] { o->no_new_privileges = true; });
  c->add_option("--apparmor", o->apparmor_profile, "AppArmor profile");
  c->add_option("--process-label", o->selinux_label, "SELinux label");
  c->add_option("--preserve-fds", o->preserve_fds, "How many descriptors from 3 on are passed on")
      ->check(CLI::Range(0, 10000));
  c->add_option("--cgroup", o->group, "A group beneath the container's");
  c->add_flag("--ignore-paused", o->ignores_paused, "Also in a paused container");
  // Container and command do not go through the parser: see cut_exec_words().
  c->footer("CONTAINER [PROGRAM [ARG...]] follow the options.");
  c->callback([&, o] {
    command = [&g, o] {
      if (g.words.empty()) throw Error("exec: which container?");
      o->root = g.root;
      o->id = g.words[0];
      o->args.assign(g.words.begin() + 1, g.words.end());
      return exec_in_container(*o);
    };
  });
}

}  // namespace pcompose::engine::runtime
