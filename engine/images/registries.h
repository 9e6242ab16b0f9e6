// Where images come from: registries.conf, version 2 (containers-registries.conf(5)).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/images/pull_request.h"

namespace pcompose::engine {

struct RegistryMirror {
  enum class For { all, digests, tags };
  std::string location;
  bool insecure = false;
  For serves = For::all;
};

// A table [[registry]]: what holds for the names that begin with `prefix`.
struct RegistryRule {
  std::string prefix;    // "docker.io/library", "*.example.com"
  std::string location;  // takes the prefix's place
  bool insecure = false;
  bool blocked = false;
  bool mirrors_by_digest_only = false;
  std::vector<RegistryMirror> mirrors;
};

struct Registries {
  // Searched for names without a registry; empty: docker.io.
  std::vector<std::string> search;
  std::vector<RegistryRule> rules;
  std::map<std::string, std::string> aliases;  // "fedora" -> "registry.fedoraproject.org/fedora"
  std::vector<std::string> files;              // that were read

  // Adds what a file says; it wins over what was there. Throws Error with the place in the file.
  void add(std::string_view text, const std::string& file);
  // /etc/containers or $HOME/.config/containers, with their registries.conf.d; or the one file of
  // CONTAINERS_REGISTRIES_CONF. Throws Error.
  static Registries read();

  // What `written` ("nginx", "quay.io/x/y:1") may mean and where each is to be had, mirrors first.
  // Without credentials. Throws Error where the reference is wrong or its registry blocked.
  [[nodiscard]] std::vector<ImageCandidate> candidates(const std::string& written) const;
  // Where `reference`, a whole one, is pushed to: no mirror. Throws as candidates().
  [[nodiscard]] ImageSource target(const std::string& reference) const {
    return candidates(reference).front().sources.back();
  }
  // Where a login is tried.
  [[nodiscard]] ImageSource login(const std::string& registry) const;

 private:
  [[nodiscard]] const RegistryRule* rule_for(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> full_names(const std::string& written) const;
};

// "docker.io" -> "registry-1.docker.io": where its API is.
std::string api_host(const std::string& domain);

}  // namespace pcompose::engine
