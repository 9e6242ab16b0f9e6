#include "compose/canonical.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "compose/paths.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {

std::string below(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string at_index(const std::string& path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}

bool Canonicalizer::fail(const Node& node, const std::string& path, std::string message) {
  diagnostics_.error(node.origin, path, std::move(message));
  return false;
}

bool Canonicalizer::expect(const Node& node, Kind kind, const std::string& path) {
  if (node.is(kind)) return true;
  return fail(node, path,
              fmt::format("must be {}, this is {}", kind_name(kind), kind_name(node.kind)));
}

std::string Canonicalizer::resolved(const std::string& path) const {
  if (path.starts_with('/') || (options_.raw && path.starts_with('$'))) return path;
  if (!options_.resolve_paths)
    return options_.directory.empty() ? path : join_path(options_.directory, path);
  if (path == "~" || path.starts_with("~/")) return join_path(options_.home, "./" + path.substr(1));
  return join_path(options_.directory, path);
}

void Canonicalizer::unknown_key(const Entry& entry, const Object& object, const std::string& path) {
  diagnostics_.error(
      entry.origin, below(path, entry.key),
      fmt::format("is not a compose attribute of a {}{}; remove it, or name it x-{} to "
                  "keep it as an extension",
                  object.name, suggestion(object, entry.key), entry.key));
}

void Canonicalizer::object(Node& node, const Object& object, const std::string& path) {
  if (!expect(node, Kind::mapping, path)) return;
  std::vector<Entry> kept;
  std::vector<Entry> all = std::move(node.entries);
  node.entries.clear();
  for (Entry& entry : all) {
    if (entry.key.starts_with("x-")) {
      kept.push_back(std::move(entry));
      continue;
    }
    const Attribute* attribute = object.find(entry.key);
    std::string at = below(path, entry.key);
    if (attribute == nullptr) {
      unknown_key(entry, object, path);
    } else if (entry.value.tag == MergeTag::reset) {
      kept.push_back(std::move(entry));
    } else {
      if (attribute->support == Support::not_yet) unsupported_.push_back({entry.origin, at});
      bool usable = attribute->form == Form::external ? external(entry.value, node, at)
                                                      : value(entry.value, *attribute, at);
      if (usable) kept.push_back(std::move(entry));
    }
  }
  for (Entry& entry : node.entries) {  // what external() added
    auto own = std::ranges::find(kept, entry.key, &Entry::key);
    if (own == kept.end())
      kept.push_back(std::move(entry));
    else if (own->value.text != entry.value.text)
      fail(entry.value, path, "'name' and 'external.name' differ; keep 'name' only");
  }
  node.entries = std::move(kept);
  for (std::string_view name : object.required) {
    if (node.find(name) == nullptr && !diagnostics_.failed_at(below(path, name))) {
      fail(node, path, fmt::format("'{}' is missing", name));
    }
  }
}

namespace {

// With --no-interpolate a value may hold "${X}" where a number is due, so only the shapes that
// merging needs are made.
bool shaped_when_raw(Form form) {
  switch (form) {
    case Form::object:
    case Form::objects:
    case Form::named:
    case Form::services:
    case Form::memberships:
    case Form::models:
    case Form::depends_on:
    case Form::build:
    case Form::mounts:
    case Form::env_file:
    case Form::include:
    case Form::extends:
    case Form::ports:
    case Form::grants:
    case Form::devices:
    case Form::path:
      return true;
    default:
      return false;
  }
}

// Where the schema refuses an item that stands there twice. From two files it may come.
bool is_set(const Attribute& attribute) {
  constexpr std::array<std::string_view, 6> kSets{"device_cgroup_rules", "external_links",
                                                  "extra_hosts",         "group_add",
                                                  "security_opt",        "volumes_from"};
  return std::ranges::find(kSets, attribute.name) != kSets.end();
}

// Takes out what is empty, most often a variable without a value.
bool not_all_empty(Node& list) {
  std::erase_if(list.items, [](const Node& item) { return item.text.empty(); });
  return !list.items.empty();
}

}  // namespace

bool Canonicalizer::distinct(const Node& node, const std::string& path) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < node.items.size(); ++i) {
    const Node& item = node.items[i];
    if (item.scalar() && !seen.insert(item.text).second) {
      return fail(item, at_index(path, i),
                  fmt::format("\"{}\" stands here twice; remove one", item.text));
    }
  }
  return true;
}

bool Canonicalizer::value(Node& node, const Attribute& attribute, const std::string& path) {
  // Whether that is an error shows when all files are merged: refuse_empty_values(). The attributes
  // of a list's items meet nothing there.
  if (node.is(Kind::null)) {
    return attribute.form == Form::any || path.find('[') == std::string::npos ||
           fail(node, path, "has no value; give it one, or remove it");
  }
  bool shaped = shaped_when_raw(attribute.form) || path.starts_with("include[");
  if (options_.raw && !shaped) return true;
  // Docker's own files say `restart: no`, and a reader of YAML 1.1 has turned that into false.
  if (attribute.name == "restart" && node.is(Kind::boolean) && scalar_text(node) == "false") {
    node = make_string("no", node.origin);
  }
  // No name, most often a variable without a value: as if it were not there.
  if (attribute.name == "container_name" && node.is(Kind::string) && node.text.empty())
    return false;
  if (attribute.form <= Form::choice) return scalar(node, attribute, path);
  if (attribute.form <= Form::health_test) return list(node, attribute, path);
  return structure(node, attribute, path);
}

bool Canonicalizer::scalar(Node& node, const Attribute& attribute, const std::string& path) {
  switch (attribute.form) {
    case Form::any:
      return true;
    case Form::string:
      return string(node, path);
    case Form::text:
      return text(node, path);
    case Form::boolean:
      return boolean(node, path);
    case Form::integer:
      return integer(node, path);
    case Form::number:
      return number(node, path);
    case Form::octal:
      return octal(node, path);
    case Form::bytes:
      return bytes(node, path);
    case Form::duration:
      return duration(node, path);
    case Form::path:
      return path_value(node, path);
    default:
      return choice(node, attribute, path);
  }
}

bool Canonicalizer::list(Node& node, const Attribute& attribute, const std::string& path) {
  if (is_set(attribute) && !distinct(node, path)) return false;
  switch (attribute.form) {
    case Form::strings:
    case Form::unique:
      return strings(node, path, &Canonicalizer::string);
    case Form::texts:
      return strings(node, path, &Canonicalizer::text);
    case Form::string_or_list:
      return one_or_many(node, path, &Canonicalizer::string) &&
             (attribute.name != "dns" || not_all_empty(node));
    case Form::paths:
      return one_or_many(node, path, &Canonicalizer::path_value);
    case Form::text_map:
      return text_map(node, path);
    case Form::environment:
      return pairs(node, path, Bare::null);
    case Form::labels:
      return pairs(node, path, Bare::empty);
    case Form::command:
      return command(node, path);
    case Form::extra_hosts:
      return extra_hosts(node, path);
    case Form::contexts:
      return contexts(node, path);
    default:
      return health_test(node, path);
  }
}

bool Canonicalizer::structure(Node& node, const Attribute& attribute, const std::string& path) {
  switch (attribute.form) {
    case Form::object:
    case Form::logging:
      if (!expect(node, Kind::mapping, path)) return false;
      object(node, *attribute.object, path);
      return true;
    case Form::objects:
    case Form::ipam_pools:
      return objects(node, *attribute.object, path);
    case Form::named:
    case Form::services:
      return named(node, attribute, path);
    case Form::ports:
      return ports(node, attribute, path);
    case Form::mounts:
      return mounts(node, attribute, path);
    case Form::memberships:
    case Form::models:
      return memberships(node, attribute, path);
    case Form::depends_on:
      return depends_on(node, attribute, path);
    case Form::env_file:
      return env_file(node, attribute, path);
    case Form::build:
      return build(node, attribute, path);
    case Form::grants:
      return grants(node, attribute, path);
    case Form::ulimits:
      return ulimits(node, attribute, path);
    case Form::devices:
      return devices(node, attribute, path);
    case Form::device_requests:
      return device_requests(node, attribute, path);
    case Form::include:
      return includes(node, attribute, path);
    default:
      return extends(node, attribute, path);
  }
}

}  // namespace pcompose::compose
