// exec and run: what follows the service belongs to the command, options included.
#include <map>
#include <set>

#include "cli/command.h"

namespace pcompose::cli {
namespace {

using Words = std::set<std::string>;

// Options that take the next word.
const Words& globals_with_value() {
  static const Words words = {
      "-f",         "--file",    "-p",         "--project-name", "--project-directory", "--workdir",
      "--env-file", "--profile", "--progress", "--ansi",         "--parallel",          "--limits"};
  return words;
}

const Words* with_value_of(const std::string& command) {
  static const std::map<std::string, Words> table = {
      {"exec", {"-u", "--user", "-w", "--workdir", "-e", "--env", "--index"}},
      {"run", {"-u",           "--user",          "-w",         "--workdir", "-e",
               "--env",        "--env-from-file", "-l",         "--label",   "-v",
               "--volume",     "--volumes",       "-p",         "--publish", "--name",
               "--entrypoint", "--cap-add",       "--cap-drop", "--pull",    "--detach-keys"}}};
  auto found = table.find(command);
  return found == table.end() ? nullptr : &found->second;
}

// "-u", and the last of several letters behind one dash: "-dTu".
bool takes_next(const std::string& word, const Words& with_value) {
  if (with_value.contains(word)) return true;
  if (word.size() < 3 || word[1] == '-' || word.find('=') != std::string::npos) return false;
  for (size_t i = 1; i + 1 < word.size(); ++i) {
    // From a letter with a value on, the rest of the word is the value.
    if (with_value.contains(std::string("-") + word[i])) return false;
  }
  return with_value.contains(std::string("-") + word.back());
}

}  // namespace

std::vector<std::string> cut_command(int& argc, char** argv) {
  const Words* with_value = &globals_with_value();
  bool in_command = false;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--" && in_command) {
      std::vector<std::string> words(argv + i + 1, argv + argc);
      argc = i;
      return words;
    }
    if (word.starts_with("-") && word != "-") {
      if (takes_next(word, *with_value)) ++i;
      continue;
    }
    if (in_command) {
      std::vector<std::string> words(argv + i, argv + argc);
      argc = i;
      return words;
    }
    with_value = with_value_of(word);
    if (with_value == nullptr) return {};
    in_command = true;
  }
  return {};
}

std::vector<std::string> with_long_names(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const CLI::App* command = &app;
  for (std::string& word : words) {
    if (word == "--") break;
    auto named = [&](const CLI::App* a) { return a->get_name() == word; };
    if (auto next = command->get_subcommands(named); !next.empty()) command = next.front();
    if (word.size() < 4 || word[0] != '-' || word[1] == '-' || word[2] != '=') continue;
    for (const CLI::Option* o : command->get_options()) {
      if (o->check_sname(word.substr(1, 1)) && !o->get_lnames().empty())
        word = "--" + o->get_lnames().front() + word.substr(2);
    }
  }
  return words;
}

}  // namespace pcompose::cli
