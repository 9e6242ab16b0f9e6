// What a command does, on stderr: as lines, or as JSON for programs.
#include <cctype>
#include <cstdio>

#include <fmt/format.h>

#include "cli/command.h"

namespace pcompose::cli {
namespace {

struct Words {
  const char *begun, *done;
};
const std::map<std::string, Words>& words() {
  static const std::map<std::string, Words> all = {
      {"create", {"Creating", "Created"}},    {"start", {"Starting", "Started"}},
      {"stop", {"Stopping", "Stopped"}},      {"remove", {"Removing", "Removed"}},
      {"kill", {"Killing", "Killed"}},        {"pause", {"Pausing", "Paused"}},
      {"unpause", {"Unpausing", "Unpaused"}}, {"relabel", {"Relabelling", "Relabelled"}},
      {"await", {"Waiting", "Ready"}}};
  return all;
}

std::string text(const json::object& event, const char* key) {
  const auto* value = event.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// "Container shop-web-1"
std::string resource(const json::object& event) {
  std::string kind = text(event, "kind");
  if (!kind.empty()) kind[0] = static_cast<char>(std::toupper(kind[0]));
  return kind + " " + text(event, "name");
}

void print_plan(const json::object& event, Style style) {
  if (style == Style::json) {
    for (const auto& step : event.at("steps").as_array()) {
      json::object line = step.as_object();
      line["dry-run"] = true;
      line["id"] = resource(line);
      fmt::print("{}\n", json::serialize(line));
    }
    return;
  }
  std::string plan = text(event, "plan");
  for (size_t at = 0; at < plan.size();) {
    size_t end = plan.find('\n', at);
    fmt::print("DRY-RUN MODE - {}\n", plan.substr(at, end - at));
    at = end + 1;
  }
}

// docker compose's members: "id", "status" (Working, Done, Warning, Error), "text".
void print_json(const std::string& id, const char* status, const std::string& text) {
  json::object line;
  if (!id.empty()) line["id"] = id;
  line["status"] = status;
  line["text"] = text;
  fmt::print(stderr, "{}\n", json::serialize(line));
}

}  // namespace

Style style_of(const Globals& globals) {
  if (globals.progress == "json") return Style::json;
  return globals.progress == "quiet" ? Style::quiet : Style::lines;
}

void Progress::show(const json::object& event) {
  Style style = style_of(globals_);
  if (globals_.verbose) fmt::print(stderr, "{}\n", json::serialize(event));
  if (event.contains("plan")) print_plan(event, style);
  if (style == Style::quiet && !event.contains("error")) return;
  for (const char* key : {"warning", "waiting", "error"}) {
    if (!event.contains(key)) continue;
    if (style == Style::json)
      print_json("", *key == 'e' ? "Error" : "Warning", text(event, key));
    else
      fmt::print(stderr, "{}: {}\n", key, text(event, key));
  }
  auto word = words().find(text(event, "verb"));
  std::string state = text(event, "state");
  if (word == words().end() || (state != "begun" && state != "done" && state != "failed")) return;
  const char* shown = state == "begun"  ? word->second.begun
                      : state == "done" ? word->second.done
                                        : "Error";
  std::string line = fmt::format(" {} {}\n", resource(event), shown);
  if (!shown_.insert(line).second) return;
  if (style == Style::json)
    print_json(resource(event),
               state == "begun"  ? "Working"
               : state == "done" ? "Done"
                                 : "Error",
               shown);
  else
    fmt::print(stderr, "{}", line);
}

void print_error(const Globals& globals, const std::string& message) {
  if (style_of(globals) == Style::json)
    fmt::print(stderr, "{}\n",
               json::serialize(json::object{{"error", true}, {"message", message}}));
  else
    fmt::print(stderr, "{}\n", message);
}

int report(const json::object& result, const Globals& globals) {
  if (result.contains("error")) print_error(globals, std::string(result.at("error").as_string()));
  return result.at("exit_code").to_number<int>();
}

}  // namespace pcompose::cli
