// Lists and mappings of scalars.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

bool Canonicalizer::strings(Node& node, const std::string& path,
                            bool (Canonicalizer::*item)(Node&, const std::string&)) {
  if (!expect(node, Kind::sequence, path)) return false;
  size_t index = 0;
  std::erase_if(node.items, [&](Node& child) {
    if (child.tag == MergeTag::reset) return true;
    return !(this->*item)(child, at_index(path, index++));
  });
  return true;
}

bool Canonicalizer::one_or_many(Node& node, const std::string& path,
                                bool (Canonicalizer::*item)(Node&, const std::string&)) {
  if (node.is(Kind::sequence)) return strings(node, path, item);
  if (!node.is(Kind::string)) {
    return fail(node, path,
                fmt::format("must be a string or a list, this is {}", kind_name(node.kind)));
  }
  if (!(this->*item)(node, path)) return false;
  Node list = make_sequence(node.origin);
  list.tag = node.tag;
  list.items.push_back(std::move(node));
  node = std::move(list);
  return true;
}

bool Canonicalizer::objects(Node& node, const Object& of, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  std::erase_if(node.items, [](const Node& item) { return item.tag == MergeTag::reset; });
  for (size_t i = 0; i < node.items.size(); ++i) object(node.items[i], of, at_index(path, i));
  std::erase_if(node.items, [](const Node& item) { return !item.is(Kind::mapping); });
  return true;
}

bool Canonicalizer::named(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::mapping, path)) return false;
  std::erase_if(node.entries, [&](Entry& entry) {
    std::string at = below(path, entry.key);
    if (entry.key.empty() || !std::ranges::all_of(entry.key, name_char)) {
      diagnostics_.error(entry.origin, at,
                         "a name may hold letters, digits, '.', '_' and '-' only");
      return true;
    }
    if (entry.value.tag == MergeTag::reset) return false;
    if (entry.value.is(Kind::null)) {
      OriginPtr place = entry.value.origin;
      entry.value = make_mapping(std::move(place));
    }
    object(entry.value, *attribute.object, at);
    return !entry.value.is(Kind::mapping);
  });
  return true;
}

bool Canonicalizer::text_map(Node& node, const std::string& path) {
  if (!expect(node, Kind::mapping, path)) return false;
  for (Entry& entry : node.entries) {
    if (entry.value.tag == MergeTag::reset) continue;
    std::string at = below(path, entry.key);
    if (entry.value.is(Kind::null)) entry.value = make_string("", entry.value.origin);
    if (entry.value.is(Kind::boolean))
      fail(entry.value, at, "must be a string or a number, this is a boolean; quote it");
    else
      text(entry.value, at);
  }
  return true;
}

bool Canonicalizer::pairs(Node& node, const std::string& path, Bare bare) {
  if (node.is(Kind::sequence)) return pairs_from_list(node, path, bare);
  if (!node.is(Kind::mapping)) {
    return fail(
        node, path,
        fmt::format("must be a mapping or a list of NAME=VALUE, this is {}", kind_name(node.kind)));
  }
  std::erase_if(node.entries, [&](Entry& entry) {
    Node& item = entry.value;
    if (item.tag == MergeTag::reset) return false;
    if (item.is(Kind::null)) {
      if (bare == Bare::empty) item = make_string("", item.origin);
      return false;
    }
    if (item.scalar()) return !text(item, below(path, entry.key));
    return !fail(
        item, below(path, entry.key),
        fmt::format("must be a string, number, boolean or null, this is {}", kind_name(item.kind)));
  });
  return true;
}

bool Canonicalizer::pairs_from_list(Node& node, const std::string& path, Bare bare) {
  Node mapping = make_mapping(node.origin);
  mapping.tag = node.tag;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    if (item.tag == MergeTag::reset || !string(item, at_index(path, i))) continue;
    size_t equals = item.text.find('=');
    std::string name = item.text.substr(0, equals);
    if (name.empty()) {
      fail(item, at_index(path, i), fmt::format("\"{}\" has no name before =", item.text));
      continue;
    }
    Node value = make_string("", item.origin);
    if (equals != std::string::npos) {
      value.text = item.text.substr(equals + 1);
    } else if (bare == Bare::null) {
      value.kind = Kind::null;
    }
    mapping.set(name, std::move(value));
  }
  node = std::move(mapping);
  return true;
}

// One "host=address" into the list `out`; several addresses may stand between commas.
bool Canonicalizer::extra_host(Node& out, const Node& host, const std::string& name,
                               const std::string& path) {
  if (!host.is(Kind::string) || host.text.empty() || name.empty()) {
    return fail(host, path, "must be host=address");
  }
  std::string_view rest = host.text;
  while (!rest.empty()) {
    size_t comma = std::min(rest.find(','), rest.size());
    std::string_view address = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (address.starts_with('[') && address.ends_with(']')) {
      address = address.substr(1, address.size() - 2);
    }
    out.items.push_back(make_string(fmt::format("{}={}", name, address), host.origin));
  }
  return true;
}

bool Canonicalizer::extra_hosts(Node& node, const std::string& path) {
  Node out = make_sequence(node.origin);
  out.tag = node.tag;
  for (const Entry& entry : node.entries) {
    if (!entry.value.is(Kind::sequence)) {
      extra_host(out, entry.value, entry.key, below(path, entry.key));
    }
    for (const Node& item : entry.value.items)
      extra_host(out, item, entry.key, below(path, entry.key));
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node item = node.items[i];
    std::string at = at_index(path, i);
    if (!string(item, at)) continue;
    size_t separator = item.text.find('=');
    if (separator == std::string::npos) separator = item.text.find(':');
    if (separator == std::string::npos) separator = item.text.size();
    std::string name = item.text.substr(0, separator);
    item.text.erase(0, separator + 1);
    extra_host(out, item, name, at);
  }
  if (!node.is(Kind::sequence) && !node.is(Kind::mapping)) {
    return fail(node, path,
                fmt::format("must be a list or a mapping, this is {}", kind_name(node.kind)));
  }
  node = std::move(out);
  return true;
}

}  // namespace pcompose::compose
