#include "engine/images/registries.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "engine/images/reference.h"

namespace pcompose::engine {
namespace {

// Whether `prefix` stands for `name` ("quay.io/org/app"): whole components, or "*.example.com" for
// every host below.
bool covers(const std::string& prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    std::string host = name.substr(0, name.find('/'));
    return host.ends_with(prefix.substr(1));
  }
  if (!name.starts_with(prefix)) return false;
  return name.size() == prefix.size() || std::string_view("/:@").contains(name[prefix.size()]);
}

// The name with the rule's prefix replaced by `location`.
std::string relocated(const std::string& name, const std::string& prefix,
                      const std::string& location) {
  if (location.empty()) return name;
  if (prefix.starts_with("*.")) {
    size_t slash = name.find('/');
    return location + (slash == std::string::npos ? "" : name.substr(slash));
  }
  return location + name.substr(prefix.size());
}

ImageSource source_of(const std::string& name, bool insecure) {
  size_t slash = name.find('/');
  if (slash == std::string::npos) throw Error("\"" + name + "\" names a registry, but no image");
  ImageSource source;
  source.shown = name.substr(0, slash);
  source.host = api_host(source.shown);
  source.path = name.substr(slash + 1);
  source.tls = insecure ? Tls::insecure : Tls::verified;
  return source;
}

bool serves(const RegistryMirror& mirror, const RegistryRule& rule, const Reference& reference) {
  bool by_digest = !reference.digest.empty();
  if (rule.mirrors_by_digest_only && !by_digest) return false;
  if (mirror.serves == RegistryMirror::For::digests) return by_digest;
  return mirror.serves == RegistryMirror::For::all || !by_digest;
}

// Whether the user named a registry: parse_reference() would have put docker.io there.
bool has_registry(const std::string& written) {
  size_t slash = written.find('/');
  if (slash == std::string::npos) return false;
  std::string first = written.substr(0, slash);
  return first.find_first_of(".:") != std::string::npos || first == "localhost" ||
         std::ranges::any_of(first, [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string name_part(const std::string& written) {
  size_t slash = written.rfind('/');
  size_t end = written.find_first_of(":@", slash == std::string::npos ? 0 : slash);
  return written.substr(0, end);
}

}  // namespace

std::string api_host(const std::string& domain) {
  return domain == "docker.io" ? "registry-1.docker.io" : domain;
}

const RegistryRule* Registries::rule_for(const std::string& name) const {
  const RegistryRule* best = nullptr;
  for (const RegistryRule& rule : rules) {
    if (!covers(rule.prefix, name)) continue;
    if (best == nullptr || rule.prefix.size() > best->prefix.size()) best = &rule;
  }
  return best;
}

std::vector<std::string> Registries::full_names(const std::string& written) const {
  if (has_registry(written)) return {written};
  std::string name = name_part(written), rest = written.substr(name.size());
  if (auto alias = aliases.find(name); alias != aliases.end() && !alias->second.empty())
    return {alias->second + rest};
  if (search.empty()) return {written};
  std::vector<std::string> out;
  for (const std::string& registry : search) {
    // docker.io/nginx and docker.io/library/nginx are one; nobody else has a library.
    out.push_back(registry + "/" + written);
  }
  return out;
}

ImageSource Registries::login(const std::string& registry) const {
  const RegistryRule* rule = rule_for(registry);
  return {api_host(registry),
          "",
          registry,
          rule != nullptr && rule->insecure ? Tls::insecure : Tls::verified,
          {}};
}

std::vector<ImageCandidate> Registries::candidates(const std::string& written) const {
  static_cast<void>(parse_reference(written));  // what is wrong is wrong in the user's words
  std::vector<ImageCandidate> out;
  std::vector<std::string> blocked;
  for (const std::string& full : full_names(written)) {
    Reference reference = parse_reference(full);
    std::string name = reference.name();
    const RegistryRule* rule = rule_for(name);
    if (rule != nullptr && rule->blocked) {
      blocked.push_back(rule->prefix);
      continue;
    }
    ImageCandidate candidate{reference.str(), {}};
    if (rule != nullptr) {
      for (const RegistryMirror& mirror : rule->mirrors) {
        if (!serves(mirror, *rule, reference)) continue;
        candidate.sources.push_back(
            source_of(relocated(name, rule->prefix, mirror.location), mirror.insecure));
      }
      name = relocated(name, rule->prefix, rule->location);
    }
    candidate.sources.push_back(source_of(name, rule != nullptr && rule->insecure));
    out.push_back(std::move(candidate));
  }
  if (out.empty()) {
    throw Error(fmt::format("registries.conf blocks {}, so {} cannot be pulled",
                            fmt::join(blocked, ", "), written))
        .hint(fmt::format("see {}", fmt::join(files, ", ")));
  }
  return out;
}

}  // namespace pcompose::engine
