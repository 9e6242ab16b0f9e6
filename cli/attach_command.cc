// attach: our stdin, stdout and stderr at the first process of a container that runs.
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/terminal.h"

namespace pcompose::cli {
namespace {

struct AttachFlags {
  std::string service, detach_keys = "ctrl-p,ctrl-q";
  int index = 0;
  bool no_stdin = false, sig_proxy = true;
};

int attach_to(const Globals& globals, const AttachFlags& flags) {
  scheduler::ControlClient client(Roots::from_environment(), project_name(globals));
  ConversationOptions talk;
  talk.target = "/v1/attach";
  talk.request = {{"service", flags.service}, {"index", flags.index}};
  talk.missing = "service \"" + flags.service + "\" is not running";
  talk.stdin_open = !flags.no_stdin;
  talk.forward_signals = flags.sig_proxy;
  talk.detach_keys = flags.detach_keys;
  return converse(globals, client, talk);
}

}  // namespace

void add_attach(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<AttachFlags>();
  CLI::App* c = app.add_subcommand("attach", "Our terminal at a running container's process");
  c->add_option("service", flags->service)->required();
  c->add_option("--index", flags->index, "Which replica; 0 is the first that runs");
  c->add_option("--detach-keys", flags->detach_keys, "Keys that leave the container alone");
  c->add_flag("--no-stdin", flags->no_stdin, "Only what it prints");
  c->add_flag("--sig-proxy,!--no-sig-proxy", flags->sig_proxy, "Pass signals on (the default)");
  c->callback([&, flags] { run = [&, flags] { return attach_to(globals, *flags); }; });
}

}  // namespace pcompose::cli
