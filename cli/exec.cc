#include <csignal>
#include <memory>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "scheduler/control_client.h"

namespace pcompose::cli {
namespace {

struct ExecFlags {
  bool no_tty = false, privileged = false;
  int index = 0;
  std::string user, directory;
  std::vector<std::string> environment;
  std::vector<std::string> words;  // service, command
};

int resize_pipe[2] = {-1, -1};

bool copy_some(int from, int to) {
  char block[16384];
  ssize_t n = ::read(from, block, sizeof block);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n <= 0) return false;  // EIO: nobody has the other side of the terminal open any more
  write_all(to, {block, static_cast<size_t>(n)});
  return true;
}

// Carries keys and output between our terminal and the process's, until its side closes.
void talk(const Fd& master) {
  RawTerminal raw;
  if (::pipe(resize_pipe) != 0) throw Error::from_errno("pipe");
  std::signal(SIGWINCH, [](int) { static_cast<void>(::write(resize_pipe[1], "r", 1) < 0); });
  pollfd fds[3] = {
      {master.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {resize_pipe[0], POLLIN, 0}};
  for (;;) {
    if (::poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents != 0) {
      char byte = 0;
      if (::read(resize_pipe[0], &byte, 1) == 1) copy_window_size(master.get());
    }
    if (fds[1].revents != 0 && !copy_some(STDIN_FILENO, master.get())) fds[1].fd = -1;
    if (fds[0].revents != 0 && !copy_some(master.get(), STDOUT_FILENO)) return;
  }
}

// "K" takes its value from our environment; unset there, it is left out.
json::array environment(const std::vector<std::string>& wanted) {
  json::array out;
  for (const std::string& e : wanted) {
    if (e.find('=') != std::string::npos) {
      out.emplace_back(e);
    } else if (const char* value = std::getenv(e.c_str())) {
      out.emplace_back(e + "=" + value);
    }
  }
  return out;
}

int exec(const Globals& globals, const ExecFlags& flags) {
  if (flags.words.size() < 2)
    throw Error("exec needs a service and a command")
        .hint("pcompose exec SERVICE COMMAND [ARG...]");
  bool terminal = !flags.no_tty && has_terminal();
  winsize size{};
  if (terminal) ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
  json::object request{{"service", flags.words[0]},
                       {"args", to_array({flags.words.begin() + 1, flags.words.end()})},
                       {"env", environment(flags.environment)},
                       {"user", flags.user},
                       {"working_dir", flags.directory},
                       {"index", flags.index},
                       {"terminal", terminal},
                       {"privileged", flags.privileged},
                       {"rows", size.ws_row},
                       {"columns", size.ws_col}};
  scheduler::ControlClient client(Roots::from_environment(), project_name(globals));
  auto session = scheduler::start_exec(client, request);
  if (session.exit_code) {
    fmt::print(stderr, "{}\n", session.error);
    return *session.exit_code;
  }
  if (session.terminal) talk(session.terminal);
  return scheduler::finish_exec(session);
}

}  // namespace

void add_exec(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<ExecFlags>();
  CLI::App* c = app.add_subcommand("exec", "Run a command in a running container");
  c->add_flag("-T,--no-tty,--no-TTY", flags->no_tty, "Without a terminal");
  c->add_flag("--privileged", flags->privileged, "With all capabilities");
  c->add_option("--index", flags->index, "Which replica; 0 is the first that runs");
  c->add_option("-u,--user", flags->user, "User, or user:group");
  c->add_option("-w,--workdir", flags->directory, "Working directory");
  c->add_option("-e,--env", flags->environment, "Set a variable: K=V, or K from our environment")
      ->allow_extra_args(false);
  // Service and command do not go through the parser: see cut_command().
  c->callback([&, flags] {
    flags->words = globals.command_words;
    run = [&, flags] { return exec(globals, *flags); };
  });
  c->footer("SERVICE COMMAND [ARG...] follow the options.");
}

}  // namespace pcompose::cli
