#include "engine/images/image_changes.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

[[noreturn]] void refuse(const std::string& change, const std::string& why) {
  throw Error(fmt::format("--change \"{}\": {}", change, why))
      .hint(
          "as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, "
          "WORKDIR");
}

// Words, with quotes and backslashes as a Dockerfile has them.
std::vector<std::string> words_of(const std::string& text, const std::string& change) {
  std::vector<std::string> out;
  std::string word;
  bool within = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && i + 1 < text.size() && quote != '\'') {
      word += text[++i];
      within = true;
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      within = true;
    } else if (c == ' ' || c == '\t') {
      if (within) out.push_back(std::exchange(word, {}));
      within = false;
    } else {
      word += c;
      within = true;
    }
  }
  if (quote != 0) refuse(change, "a quote is not closed");
  if (within) out.push_back(word);
  return out;
}

std::optional<json::array> json_list(const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_array()) return std::nullopt;
  for (const json::value& item : value.get_array())
    if (!item.is_string()) return std::nullopt;
  return value.get_array();
}

// A list as it is, or a line for the shell.
json::array command(const std::string& text) {
  if (auto list = json_list(text)) return *list;
  return {"/bin/sh", "-c", text};
}

void set_env(json::object& config, const std::string& text, const std::string& change) {
  json::value& env = config["Env"];
  if (!env.is_array()) env = json::array();
  auto words = words_of(text, change);
  if (words.size() >= 2 && !words.front().contains('=')) {  // the old form: ENV NAME any words
    size_t space = text.find_first_of(" \t");
    size_t value = text.find_first_not_of(" \t", space);
    words = {words.front() + "=" + text.substr(value)};
  }
  for (const std::string& word : words) {
    size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) refuse(change, "wants NAME=VALUE");
    std::string name = word.substr(0, equals + 1);
    json::array& list = env.get_array();
    auto known = std::ranges::find_if(list, [&](const json::value& v) {
      return std::string_view(v.get_string()).starts_with(name);
    });
    if (known == list.end())
      list.emplace_back(word);
    else
      *known = word;
  }
}

void set_labels(json::object& config, const std::string& text, const std::string& change) {
  json::value& labels = config["Labels"];
  if (!labels.is_object()) labels = json::object();
  for (const std::string& word : words_of(text, change)) {
    size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) refuse(change, "wants NAME=VALUE");
    labels.get_object()[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

// ExposedPorts and Volumes are sets: objects whose values are empty objects.
void add_to_set(json::object& config, const char* member, const std::vector<std::string>& names) {
  json::value& set = config[member];
  if (!set.is_object()) set = json::object();
  for (const std::string& name : names) set.get_object()[name] = json::object();
}

void expose(json::object& config, const std::string& text, const std::string& change) {
  auto ports = words_of(text, change);
  for (std::string& port : ports) {
    size_t slash = port.find('/');
    std::string number = port.substr(0, slash);
    if (number.empty() || number.size() > 5 ||
        !std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; }) ||
        std::stoi(number) > 65535)
      refuse(change, "\"" + port + "\" is no port");
    if (slash == std::string::npos) port += "/tcp";
  }
  add_to_set(config, "ExposedPorts", ports);
}

void volumes(json::object& config, const std::string& text, const std::string& change) {
  std::vector<std::string> paths;
  if (auto list = json_list(text)) {
    for (const json::value& path : *list) paths.emplace_back(path.get_string());
  } else {
    paths = words_of(text, change);
  }
  add_to_set(config, "Volumes", paths);
}

}  // namespace

json::object apply_image_changes(const std::vector<std::string>& changes) {
  json::object config;
  for (const std::string& change : changes) {
    size_t begin = change.find_first_not_of(" \t");
    if (begin == std::string::npos) refuse(change, "is empty");
    size_t end = std::min(change.find_first_of(" \t", begin), change.size());
    std::string verb = change.substr(begin, end - begin);
    std::ranges::transform(verb, verb.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    size_t value = change.find_first_not_of(" \t", end);
    if (value == std::string::npos) refuse(change, "says nothing");
    std::string text = change.substr(value);
    if (verb == "CMD")
      config["Cmd"] = command(text);
    else if (verb == "ENTRYPOINT")
      config["Entrypoint"] = command(text);
    else if (verb == "ENV")
      set_env(config, text, change);
    else if (verb == "LABEL")
      set_labels(config, text, change);
    else if (verb == "EXPOSE")
      expose(config, text, change);
    else if (verb == "VOLUME")
      volumes(config, text, change);
    else if (verb == "USER")
      config["User"] = text;
    else if (verb == "WORKDIR")
      config["WorkingDir"] = text;
    else if (verb == "STOPSIGNAL")
      config["StopSignal"] = text;
    else
      refuse(change, "is no instruction that changes a configuration");
  }
  return config;
}

}  // namespace pcompose::engine
