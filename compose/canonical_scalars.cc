// Scalars, and the commands that may be written as one.
#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/shell_words.h"
#include "compose/units.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  return out;
}

void become(Node& node, Kind kind, std::string text) {
  node.kind = kind;
  node.text = std::move(text);
  node.plain = false;
}

bool is_one_of(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    size_t blank = std::min(list.find(' '), list.size());
    if (list.substr(0, blank) == word) return true;
    list.remove_prefix(std::min(blank + 1, list.size()));
  }
  return false;
}

}  // namespace

bool Canonicalizer::string(Node& node, const std::string& path) {
  if (node.is(Kind::string)) {
    node.plain = false;
    return true;
  }
  if (!node.scalar()) return expect(node, Kind::string, path);
  return fail(node, path,
              fmt::format("must be a string, this is {}; put it in quotes: \"{}\"",
                          kind_name(node.kind), node.text));
}

bool Canonicalizer::text(Node& node, const std::string& path) {
  if (!node.scalar()) {
    return fail(node, path,
                fmt::format("must be a string or a number, this is {}", kind_name(node.kind)));
  }
  become(node, Kind::string, scalar_text(node));
  return true;
}

bool Canonicalizer::boolean(Node& node, const std::string& path) {
  std::string word = node.scalar() ? lower(node.text) : "";
  bool yes = is_one_of(word, "true t 1 y yes on");
  if (!yes && !is_one_of(word, "false f 0 n no off")) {
    std::string shown =
        node.scalar() ? fmt::format("\"{}\"", node.text) : std::string(kind_name(node.kind));
    return fail(node, path, fmt::format("must be true or false, this is {}", shown));
  }
  if (word != "true" && word != "false") {
    diagnostics_.warning(node.origin, path,
                         fmt::format("\"{}\" is read as {}; write {}", node.text, yes, yes));
  }
  become(node, Kind::boolean, yes ? "true" : "false");
  return true;
}

bool Canonicalizer::integer(Node& node, const std::string& path) {
  auto value = node.scalar() && !node.is(Kind::boolean) ? parse_integer(node.text) : std::nullopt;
  if (!value && node.scalar()) {
    auto real = parse_real(node.text);  // 1e3, and a share that was computed
    if (real && std::fabs(*real) < 9e15 && *real == std::floor(*real))
      value = static_cast<int64_t>(*real);
  }
  if (!value) {
    std::string shown =
        node.scalar() ? fmt::format("\"{}\"", node.text) : std::string(kind_name(node.kind));
    return fail(node, path, fmt::format("must be a whole number, this is {}", shown));
  }
  become(node, Kind::integer, std::to_string(*value));
  return true;
}

bool Canonicalizer::number(Node& node, const std::string& path) {
  auto value = node.scalar() && !node.is(Kind::boolean) ? parse_real(node.text) : std::nullopt;
  if (!value) {
    std::string shown =
        node.scalar() ? fmt::format("\"{}\"", node.text) : std::string(kind_name(node.kind));
    return fail(node, path, fmt::format("must be a number, this is {}", shown));
  }
  become(node, Kind::real, real_text(*value));
  return true;
}

bool Canonicalizer::octal(Node& node, const std::string& path) {
  if (node.is(Kind::integer)) return integer(node, path);
  std::string_view digits = node.text;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  uint32_t mode = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, 8);
  if (!node.is(Kind::string) || error != std::errc() || end != digits.data() + digits.size()) {
    return fail(node, path, "must be a file mode in octal digits, like 0440");
  }
  become(node, Kind::integer, std::to_string(mode));
  return true;
}

bool Canonicalizer::bytes(Node& node, const std::string& path) {
  bool usable = node.scalar() && !node.is(Kind::boolean);
  auto value = usable ? parse_bytes(scalar_text(node)) : std::nullopt;
  if (!value) {
    std::string shown =
        node.scalar() ? fmt::format("\"{}\"", node.text) : std::string(kind_name(node.kind));
    return fail(node, path, fmt::format("must be a size like 64m or 1.5g, this is {}", shown));
  }
  become(node, Kind::string, std::to_string(*value));
  return true;
}

bool Canonicalizer::duration(Node& node, const std::string& path) {
  if (node.is(Kind::integer) && node.text != "0") {
    return fail(
        node, path,
        fmt::format("must be a duration with a unit; write {0}s for {0} seconds", node.text));
  }
  auto value = node.scalar() ? parse_duration(node.text) : std::nullopt;
  if (!value) {
    std::string shown =
        node.scalar() ? fmt::format("\"{}\"", node.text) : std::string(kind_name(node.kind));
    return fail(node, path, fmt::format("must be a duration like 10s or 1m30s, this is {}", shown));
  }
  become(node, Kind::string, duration_text(*value));
  return true;
}

bool Canonicalizer::choice(Node& node, const Attribute& attribute, const std::string& path) {
  if (!string(node, path)) return false;
  if (is_one_of(node.text, attribute.choices)) return true;
  return fail(node, path,
              fmt::format("must be one of: {}; this is \"{}\"", attribute.choices, node.text));
}

bool Canonicalizer::path_value(Node& node, const std::string& path) {
  if (!string(node, path)) return false;
  if (node.text.empty()) return fail(node, path, "must be a path, this is empty");
  node.text = resolved(node.text);
  return true;
}

bool Canonicalizer::command(Node& node, const std::string& path) {
  if (node.is(Kind::sequence)) return strings(node, path, &Canonicalizer::string);
  if (!node.is(Kind::string)) {
    return fail(node, path,
                fmt::format("must be a string or a list, this is {}", kind_name(node.kind)));
  }
  auto split = split_words(node.text);
  if (!split) return fail(node, path, split.error());
  if (!split->dropped.empty()) {
    diagnostics_.warning(
        node.origin, path,
        fmt::format("no shell reads the command, \"{}\" is dropped; write [sh, -c, '…']",
                    split->dropped));
  }
  for (std::string& word : split->words)
    node.items.push_back(make_string(std::move(word), node.origin));
  become(node, Kind::sequence, "");
  return true;
}

bool Canonicalizer::health_test(Node& node, const std::string& path) {
  if (node.is(Kind::string)) {
    node.items.push_back(make_string("CMD-SHELL", node.origin));
    node.items.push_back(make_string(node.text, node.origin));
    become(node, Kind::sequence, "");
    return true;
  }
  if (!strings(node, path, &Canonicalizer::string)) return false;
  if (node.items.empty() || is_one_of(node.items.front().text, "CMD CMD-SHELL NONE")) return true;
  return fail(node.items.front(), path,
              fmt::format("a list must begin with CMD, CMD-SHELL or NONE, not \"{}\"",
                          node.items.front().text));
}

}  // namespace pcompose::compose
