#include "engine/images/credential_program.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxAnswer = 1U << 20U;
constexpr auto kPatience = std::chrono::seconds(30);

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string all = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  for (size_t start = 0; start <= all.size();) {
    size_t end = std::min(all.find(':', start), all.size());
    std::string file = all.substr(start, end - start) + "/" + name;
    if (file.front() == '/' && ::access(file.c_str(), X_OK) == 0) return file;
    start = end + 1;
  }
  throw Error("the credential helper " + name + " is not in PATH")
      .hint("install it, or take it out of credHelpers and credsStore");
}

struct Pipe {
  Fd read_end, write_end;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("pipe");
    read_end = Fd(ends[0]);
    write_end = Fd(ends[1]);
  }
};

// What it prints until it closes its output. Throws Error where that takes too long.
std::string read_answer(int fd, const std::string& program) {
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string out(kMaxAnswer, '\0');
  size_t size = 0;
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wait{fd, POLLIN, 0};
    int ready = left.count() > 0 ? ::poll(&wait, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) throw Error(fmt::format("{} does not answer", program));
    ssize_t n = ::read(fd, out.data() + size, out.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read");
    if (n == 0) break;
    size += static_cast<size_t>(n);
    if (size == out.size()) throw Error(program + " prints too much");
  }
  out.resize(size);
  return out;
}

}  // namespace

Credentials parse_helper_answer(std::string_view answer, const std::string& helper) {
  json::value value;
  try {
    value = parse_json(answer, helper);
  } catch (const Error&) {
    throw Error("the credential helper " + helper + " does not answer in JSON");
  }
  const json::object* object = value.if_object();
  auto text = [&](const char* key) {
    const json::value* member = object == nullptr ? nullptr : object->if_contains(key);
    return member != nullptr && member->is_string() ? std::string(member->get_string()) : "";
  };
  Credentials out;
  out.username = text("Username");
  out.password = text("Secret");
  if (out.username != "<token>") return out;
  out.identity_token = std::move(out.password);
  out.username.clear();
  out.password.clear();
  return out;
}

std::optional<Credentials> ask_credential_helper(const std::string& helper,
                                                 const std::string& registry) {
  bool plain = !helper.empty() && std::ranges::all_of(helper, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain) throw Error("a credential helper's name has letters, digits, '-', '_' and '.'");
  std::string program = "docker-credential-" + helper;
  Pipe in, out;
  Fd nothing = open_file("/dev/null", O_WRONLY);
  Child child = spawn({.argv = {find_program(program), "get"},
                       .environment = current_environment(),
                       .fds = {{in.read_end.get(), STDIN_FILENO},
                               {out.write_end.get(), STDOUT_FILENO},
                               {nothing.get(), STDERR_FILENO}},
                       .session = Session::same,
                       .directory = ""});
  in.read_end.reset();
  out.write_end.reset();
  write_all(in.write_end.get(), registry + "\n");  // fits into the pipe
  in.write_end.reset();
  std::string answer = read_answer(out.read_end.get(), program);
  if (child.wait().code() == 0) return parse_helper_answer(answer, program);
  // The protocol has this sentence in place of an exit code.
  if (answer.contains("credentials not found")) return std::nullopt;
  throw Error(program + " failed").hint("try: echo " + registry + " | " + program + " get");
}

}  // namespace pcompose::engine
