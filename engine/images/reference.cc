#include "engine/images/reference.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxTag = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_digit(c) || is_lower(c) || is_upper(c) || c == '_'; }

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw Error(fmt::format("image reference \"{}\": {}", text, why));
}

bool valid_digest(const std::string& digest) {
  if (digest.starts_with("sha512:")) return is_hex(digest.substr(7), 128);
  return is_sha256_digest(digest);
}

bool valid_tag(const std::string& tag) {
  if (tag.empty() || tag.size() > kMaxTag || !is_word(tag.front())) return false;
  return std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool valid_port(const std::string& port) {
  return !port.empty() && port.size() <= 5 && std::ranges::all_of(port, is_digit) &&
         std::stoi(port) <= 65535;
}

bool valid_host(const std::string& host) {
  if (host.starts_with('[')) {  // an IPv6 address
    return host.size() > 3 && host.ends_with(']') &&
           std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
             return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':';
           });
  }
  bool edge = true;  // after a dot, or at the start: neither a dot nor a dash may stand here
  for (char c : host) {
    bool letter = is_digit(c) || is_lower(c) || is_upper(c);
    if (!letter && (edge || (c != '-' && c != '.'))) return false;
    edge = c == '.';
  }
  return !host.empty() && !edge && host.back() != '-';
}

bool valid_domain(const std::string& domain) {
  size_t colon = domain.rfind(':');
  if (colon == std::string::npos || domain.ends_with(']')) return valid_host(domain);
  return valid_host(domain.substr(0, colon)) && valid_port(domain.substr(colon + 1));
}

// Letters and digits, in between ".", "_", "__" or any number of "-".
bool valid_component(const std::string& part) {
  auto alphanumeric = [](char c) { return is_digit(c) || is_lower(c); };
  if (part.empty() || !alphanumeric(part.front()) || !alphanumeric(part.back())) return false;
  for (size_t i = 0; i < part.size();) {
    size_t end = i;
    while (end < part.size() && !alphanumeric(part[end])) ++end;
    std::string between = part.substr(i, end - i);
    bool dashes = between.find_first_not_of('-') == std::string::npos;
    if (!dashes && between != "." && between != "_" && between != "__") return false;
    i = end + 1;
  }
  return true;
}

void check_path(const std::string& text, const std::string& path) {
  if (path.empty()) refuse(text, "the repository name is missing");
  if (path != lower(path))
    refuse(text, fmt::format("the repository name must be lower case ({})", lower(path)));
  for (size_t start = 0; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, end - start);
    if (!valid_component(part)) {
      refuse(text, fmt::format("\"{}\" is no part of a repository name (letters and digits, "
                               "separated by '.', '_', '__' or '-')",
                               part));
    }
    start = end + 1;
  }
}

// Whether what stands before the first slash is a registry: docker's rule.
bool is_domain(const std::string& first) {
  return first.find_first_of(".:") != std::string::npos || first == "localhost" ||
         first != lower(first);
}

void split_name(const std::string& text, const std::string& name, Reference& out) {
  size_t slash = name.find('/');
  if (slash != std::string::npos && is_domain(name.substr(0, slash))) {
    out.domain = name.substr(0, slash);
    out.path = name.substr(slash + 1);
    if (!valid_domain(out.domain))
      refuse(text, fmt::format("\"{}\" is no registry (host or host:port)", out.domain));
    if (out.domain == "index.docker.io") out.domain = "docker.io";
  } else {
    out.domain = "docker.io";
    out.path = name;
  }
  check_path(text, out.path);
  if (out.domain == "docker.io" && out.path.find('/') == std::string::npos)
    out.path.insert(0, "library/");
  if (out.name().size() > kMaxName) refuse(text, "the name is longer than 255 characters");
}

}  // namespace

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_sha256_digest(const std::string& text) {
  return text.starts_with("sha256:") && is_hex(text.substr(7), 64);
}

std::string Reference::str() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

Reference parse_reference(const std::string& text) {
  if (text.empty()) throw Error("an image reference is empty");
  if (is_hex(text, 64)) refuse(text, "64 hexadecimal digits are an image id, not a name");
  Reference out;
  std::string rest = text;
  if (size_t at = rest.find('@'); at != std::string::npos) {
    out.digest = rest.substr(at + 1);
    rest.resize(at);
    if (!valid_digest(out.digest))
      refuse(text, "the digest must be sha256: and 64 hexadecimal digits");
  }
  size_t slash = rest.rfind('/');
  size_t colon = rest.find(':', slash == std::string::npos ? 0 : slash);
  if (colon != std::string::npos) {
    out.tag = rest.substr(colon + 1);
    rest.resize(colon);
    if (!valid_tag(out.tag)) {
      refuse(text, fmt::format("\"{}\" is no tag (letters, digits, '_', '.', '-'; at most 128, "
                               "the first no '.' or '-')",
                               out.tag));
    }
  }
  split_name(text, rest, out);
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  return out;
}

std::string normalise_reference(const std::string& reference) {
  return parse_reference(reference).str();
}

std::string familiar_reference(const std::string& reference) {
  for (std::string prefix : {"docker.io/library/", "docker.io/"}) {
    if (!reference.starts_with(prefix)) continue;
    std::string rest = reference.substr(prefix.size());
    // "docker.io/localhost/x" must not turn into another registry's image.
    size_t slash = rest.find('/');
    if (slash != std::string::npos && is_domain(rest.substr(0, slash))) return reference;
    return rest;
  }
  return reference;
}

}  // namespace pcompose::engine
