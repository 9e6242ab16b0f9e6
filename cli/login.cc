#include <cstdio>
#include <memory>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/command.h"
#include "scheduler/images.h"

namespace pcompose::cli {
namespace {

constexpr const char* kDefault = "docker.io";
constexpr size_t kMaxPassword = 64U << 10U;

struct LoginFlags {
  std::string registry = kDefault, username, password;
  bool password_stdin = false;
};

std::string read_line(const char* prompt) {
  fmt::print(stderr, "{}", prompt);
  std::string out;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar())
    out += static_cast<char>(c);
  return out;
}

// Without an echo.
std::string read_password() {
  if (::isatty(STDIN_FILENO) != 1)
    throw Error("there is no terminal to ask for a password").hint("use --password-stdin");
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) throw Error::from_errno("tcgetattr");
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::string out = read_line("Password: ");
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  fmt::print(stderr, "\n");
  return out;
}

std::string password_of(const LoginFlags& flags) {
  if (!flags.password.empty()) return flags.password;
  if (!flags.password_stdin) return read_password();
  std::string text = read_all(STDIN_FILENO, kMaxPassword);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

// "https://quay.io/v2/" is what some paste.
std::string registry_of(std::string text) {
  if (size_t scheme = text.find("://"); scheme != std::string::npos) text.erase(0, scheme + 3);
  text.resize(std::min(text.find('/'), text.size()));
  bool hub = text.empty() || text == "index.docker.io" || text == "registry-1.docker.io";
  return hub ? kDefault : text;
}

int login(LoginFlags flags) {
  std::string registry = registry_of(flags.registry);
  if (flags.username.empty()) {
    if (flags.password_stdin) throw Error("--password-stdin needs --username");
    flags.username = read_line("Username: ");
  }
  std::string password = password_of(flags);
  if (flags.username.empty() || password.empty())
    throw Error("a login needs a username and a password");
  if (flags.username.contains(':')) throw Error("a username has no colon");
  std::string file =
      scheduler::log_in(Roots::from_environment(), registry, flags.username, password);
  fmt::print(stderr, "The password is in {}, readable for you alone\n", file);
  fmt::print("Login Succeeded\n");
  return 0;
}

int logout(const std::string& given) {
  std::string registry = registry_of(given);
  if (scheduler::log_out(registry)) {
    fmt::print("Removing login credentials for {}\n", registry);
  } else {
    fmt::print("Not logged in to {}\n", registry);
  }
  return 0;
}

}  // namespace

void add_login(CLI::App& app, Run& run) {
  auto flags = std::make_shared<LoginFlags>();
  CLI::App* in = app.add_subcommand("login", "Log in to a registry");
  in->add_option("registry", flags->registry, "Host or host:port; docker.io where it is left out");
  in->add_option("-u,--username", flags->username, "Who");
  auto* typed = in->add_option("-p,--password", flags->password,
                               "The password; better --password-stdin: others see arguments");
  in->add_flag("--password-stdin", flags->password_stdin, "Read the password from stdin")
      ->excludes(typed);
  in->callback([&run, flags] { run = [flags] { return login(*flags); }; });
  auto registry = std::make_shared<std::string>(kDefault);
  CLI::App* out = app.add_subcommand("logout", "Forget a registry's password");
  out->add_option("registry", *registry, "Host or host:port");
  out->callback([&run, registry] { run = [registry] { return logout(*registry); }; });
}

}  // namespace pcompose::cli
