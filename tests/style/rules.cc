#include "tests/style/rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "tests/style/source_text.h"

namespace pcompose::style {
namespace {

constexpr int kMaxFileLines = 600;
constexpr int kMaxFunctionLines = 60;

using Rooms = std::set<std::string>;

const std::map<std::string, Rooms>& include_table() {
  static const std::map<std::string, Rooms> table = {
      {"cli", {"scheduler", "compose", "base"}},
      {"scheduler", {"compose", "base", "engine", "netns", "volumes"}},
      {"compose", {"base"}},
      {"engine", {"base"}},
      {"netns", {"base"}},
      {"volumes", {"base"}},
      {"base", {}},
  };
  return table;
}

std::string room_of(const std::string& path) { return path.substr(0, path.find('/')); }

std::string stem_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.find('.'));
}

bool is_room(const std::string& name) { return include_table().contains(name); }

// The middle of the scheduler: functions of values, which never meet an engine.
bool is_pure_scheduler(const std::string& path) {
  static const Rooms stems = {"plan",   "planner",  "planner_up", "planner_down",
                              "health", "observed", "executor",   "restart"};
  return room_of(path) == "scheduler" && stems.contains(stem_of(path));
}

Rooms allowed_for(const std::string& path) {
  std::string room = room_of(path);
  Rooms allowed = is_pure_scheduler(path) ? Rooms{"compose", "base"} : include_table().at(room);
  allowed.insert(room);
  return allowed;
}

template <class F>
void each_line(const std::string& text, F f) {
  std::istringstream in(text);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) f(number, line);
}

// `pattern` stands in the line with no letter before it, nor after it where it ends in one.
bool has_token(const std::string& line, const std::string& pattern) {
  for (size_t at = line.find(pattern); at != std::string::npos; at = line.find(pattern, at + 1)) {
    size_t end = at + pattern.size();
    bool starts = at == 0 || !is_word(line[at - 1]);
    bool ends = !is_word(pattern.back()) || end == line.size() || !is_word(line[end]);
    if (starts && ends) return true;
  }
  return false;
}

bool has_raw_call(const std::string& line, const std::string& call) {
  if (call != "delete") return has_token(line, call);
  // "= delete" declares, it does not free.
  std::string rest = line;
  for (size_t at = rest.find("= delete"); at != std::string::npos; at = rest.find("= delete"))
    rest.erase(at, 8);
  return has_token(rest, call);
}

bool may_call(const std::string& path) {
  if (!is_room(room_of(path))) return true;  // tests and benches look from outside
  return path.starts_with("base/") || path.starts_with("engine/keeper/") ||
         path.starts_with("engine/launch/child") || path.starts_with("engine/init/");
}

}  // namespace

std::vector<Violation> check_includes(const SourceFile& file) {
  std::vector<Violation> found;
  if (!is_room(room_of(file.path))) return found;
  Rooms allowed = allowed_for(file.path);
  each_line(file.text, [&](int number, const std::string& line) {
    if (!line.starts_with("#include \"")) return;
    std::string included = line.substr(10, line.find('"', 10) - 10);
    if (allowed.contains(room_of(included))) return;
    found.push_back({"include", file.path, number, "may not include " + included});
  });
  return found;
}

std::vector<Violation> check_file_size(const SourceFile& file) {
  auto lines = static_cast<int>(std::count(file.text.begin(), file.text.end(), '\n'));
  if (lines <= kMaxFileLines) return {};
  return {{"file-size", file.path, lines, "has " + std::to_string(lines) + " lines, 600 at most"}};
}

std::vector<Violation> check_function_size(const SourceFile& file) {
  std::vector<Violation> found;
  for (const Function& f : functions(file.text)) {
    if (f.lines <= kMaxFunctionLines) continue;
    found.push_back({"function-size", file.path, f.line,
                     f.head + " has " + std::to_string(f.lines) + " lines, 60 at most"});
  }
  return found;
}

std::vector<Violation> check_calls(const SourceFile& file) {
  static const std::map<std::string, std::string> banned = {
      {"::close(", "Fd"},
      {"::kill(", "Pidfd::send_signal"},
      {"waitpid(", "Pidfd"},
      {"umount(", "the mount namespace's end"},
      {"umount2(", "the mount namespace's end"},
      {"new", "std::make_unique"},
      {"delete", "std::unique_ptr"},
      {"std::thread", "LoopThread"},
      {"std::jthread", "LoopThread"},
  };
  std::vector<Violation> found;
  if (may_call(file.path)) return found;
  each_line(code_only(file.text), [&](int number, const std::string& line) {
    if (line.starts_with("#include")) return;
    for (const auto& [call, instead] : banned) {
      if (has_raw_call(line, call))
        found.push_back({"call", file.path, number, "raw " + call + "; use " + instead});
    }
  });
  return found;
}

std::vector<Violation> check_file_name(const SourceFile& file) {
  static const std::set<std::string> empty_words = {"util",    "utils",  "helper", "helpers",
                                                    "manager", "common", "misc"};
  std::istringstream words(stem_of(file.path));
  std::string word;
  while (std::getline(words, word, '_')) {
    if (empty_words.contains(word))
      return {{"file-name", file.path, 1, "is named " + word + ", which says nothing"}};
  }
  return {};
}

std::vector<Violation> check_marks(const SourceFile& file) {
  // In two halves: this file is checked, too.
  static const std::string marks[] = {std::string("TO") + "DO", std::string("FIX") + "ME"};
  std::vector<Violation> found;
  each_line(file.text, [&](int number, const std::string& line) {
    for (const std::string& mark : marks) {
      if (has_token(line, mark)) found.push_back({"mark", file.path, number, "carries a " + mark});
    }
  });
  return found;
}

std::vector<Violation> check_all(const SourceFile& file) {
  std::vector<Violation> all;
  for (auto check : {check_includes, check_file_size, check_function_size, check_calls,
                     check_file_name, check_marks}) {
    auto found = check(file);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace pcompose::style
