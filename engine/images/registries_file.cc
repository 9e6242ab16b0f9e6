// registries.conf as TOML.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

// The parser of toml++ 3.3 asserts what some malformed files break ("[$x]"), and without assertions
// takes it for granted. Here both are errors of the file.
#undef NDEBUG
#define TOML_ASSERT(expression)                                               \
  do {                                                                        \
    if (!(expression)) throw std::runtime_error("the file is no valid TOML"); \
  } while (false)
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/images/registries.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFile = 4U << 20U;

// A file's members with errors that say where.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  [[noreturn]] void refuse(const toml::node& node, const std::string& what) const {
    auto begin = node.source().begin;
    throw Error(what).at({file_, static_cast<int>(begin.line), static_cast<int>(begin.column)});
  }
  [[nodiscard]] std::string text(const toml::table& table, std::string_view key) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return "";
    if (const auto* value = node->as_string()) return value->get();
    refuse(*node, fmt::format("{} must be a string", key));
  }
  [[nodiscard]] bool flag(const toml::table& table, std::string_view key) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return false;
    if (const auto* value = node->as_boolean()) return value->get();
    refuse(*node, fmt::format("{} must be true or false", key));
  }
  template <class F>
  void each_table(const toml::table& table, std::string_view key, F f) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr) refuse(*node, fmt::format("{} must be tables: [[{}]]", key, key));
    for (const toml::node& item : *list) {
      const toml::table* member = item.as_table();
      if (member == nullptr) refuse(item, fmt::format("{} must be tables: [[{}]]", key, key));
      f(*member);
    }
  }

 private:
  std::string file_;
};

// No registry's name has other letters; for those in bare keys toml++ 3.3 runs into undefined
// behaviour. They may stand in comments.
std::string ascii_only(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return c < 0 || c == 0x7f; }, '?');
  return out;
}

RegistryMirror::For served(const Reader& reader, const toml::table& table) {
  std::string text = reader.text(table, "pull-from-mirror");
  if (text.empty() || text == "all") return RegistryMirror::For::all;
  if (text == "digest-only") return RegistryMirror::For::digests;
  if (text == "tag-only") return RegistryMirror::For::tags;
  reader.refuse(*table.get("pull-from-mirror"),
                "pull-from-mirror must be all, digest-only or tag-only");
}

RegistryRule read_rule(const Reader& reader, const toml::table& table) {
  RegistryRule rule;
  rule.prefix = reader.text(table, "prefix");
  rule.location = reader.text(table, "location");
  if (rule.prefix.empty()) rule.prefix = rule.location;
  if (rule.prefix.empty()) reader.refuse(table, "a [[registry]] needs a location");
  rule.insecure = reader.flag(table, "insecure");
  rule.blocked = reader.flag(table, "blocked");
  rule.mirrors_by_digest_only = reader.flag(table, "mirror-by-digest-only");
  reader.each_table(table, "mirror", [&](const toml::table& member) {
    RegistryMirror mirror;
    mirror.location = reader.text(member, "location");
    if (mirror.location.empty()) reader.refuse(member, "a [[registry.mirror]] needs a location");
    mirror.insecure = reader.flag(member, "insecure");
    mirror.serves = served(reader, member);
    rule.mirrors.push_back(std::move(mirror));
  });
  return rule;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void add_file(Registries& registries, const std::string& path) {
  std::string text;
  try {
    text = read_file(path, kMaxFile);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT || e.error_number() == ENOTDIR) return;
    throw;
  }
  registries.add(text, path);
}

void add_directory(Registries& registries, const std::string& path) {
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() == ".conf") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const std::string& file : files) add_file(registries, file);
}

}  // namespace

void Registries::add(std::string_view text, const std::string& file) {
  toml::table table;
  try {
    table = toml::parse(ascii_only(text), file);
  } catch (const toml::parse_error& e) {
    auto begin = e.source().begin;
    throw Error(std::string(e.description()))
        .at({file, static_cast<int>(begin.line), static_cast<int>(begin.column)});
  } catch (const std::runtime_error& e) {
    throw Error(e.what()).at({file, 0, 0});
  }
  Reader reader(file);
  files.push_back(file);
  if (const toml::node* list = table.get("unqualified-search-registries")) {
    if (list->as_array() == nullptr) reader.refuse(*list, "must be a list of registries");
    search.clear();
    for (const toml::node& item : *list->as_array()) {
      if (!item.is_string()) reader.refuse(item, "must be a registry's name");
      search.push_back(item.as_string()->get());
    }
  }
  reader.each_table(table, "registry", [&](const toml::table& member) {
    RegistryRule rule = read_rule(reader, member);
    std::erase_if(rules, [&](const RegistryRule& known) { return known.prefix == rule.prefix; });
    rules.push_back(std::move(rule));
  });
  const toml::node* names = table.get("aliases");
  if (names == nullptr) return;
  if (names->as_table() == nullptr) reader.refuse(*names, "aliases must be a table");
  for (const auto& [name, value] : *names->as_table()) {
    if (!value.is_string()) reader.refuse(value, "an alias must be an image's name");
    aliases[std::string(name.str())] = value.as_string()->get();
  }
}

Registries Registries::read() {
  Registries out;
  if (std::string one = environment("CONTAINERS_REGISTRIES_CONF"); !one.empty()) {
    add_file(out, one);
    return out;
  }
  std::string home = environment("XDG_CONFIG_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.config";
  std::string user = home.empty() ? "" : home + "/containers/registries.conf";
  // The user's own file takes the place of the system's; the drop-ins of both count.
  bool own = !user.empty() && fs::exists(user);
  add_file(out, own ? user : "/etc/containers/registries.conf");
  add_directory(out, "/etc/containers/registries.conf.d");
  if (!home.empty()) add_directory(out, user + ".d");
  return out;
}

}  // namespace pcompose::engine
