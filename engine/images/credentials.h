// Who we are to a registry: docker's config.json and containers-auth.json(5).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/images/pull_request.h"

namespace pcompose::engine {

// One file: passwords in it, or the programs that keep them.
struct AuthFile {
  std::string path;
  std::map<std::string, Credentials> auths;    // by registry, or registry/repository
  std::map<std::string, std::string> helpers;  // by registry: "secretservice"
  std::string store;                           // the helper of all others

  // Throws Error naming the file and what is wrong, never what is in it.
  static AuthFile parse(std::string_view text, const std::string& path);
};

class CredentialStore {
 public:
  // What a helper (docker-credential-NAME) answers for a registry; nullopt: it has nothing.
  using Ask = std::function<std::optional<Credentials>(const std::string& helper,
                                                       const std::string& registry)>;
  CredentialStore(std::vector<AuthFile> files, Ask ask)
      : files_(std::move(files)), ask_(std::move(ask)) {}
  // The files that exist, in their order: REGISTRY_AUTH_FILE alone, or else
  // $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json, then
  // $DOCKER_CONFIG/config.json (~/.docker). Helpers are run when they are needed. Throws Error.
  static CredentialStore read();

  // For `name` ("quay.io/org/app"): the entry that says most about it, in the first file that has
  // one. Empty where there is none. Throws Error where a helper fails.
  [[nodiscard]] Credentials find(const std::string& name) const;

 private:
  [[nodiscard]] std::optional<Credentials> find_in(const AuthFile& file,
                                                   const std::string& name) const;
  std::vector<AuthFile> files_;
  Ask ask_;
};

// Where login writes: REGISTRY_AUTH_FILE, or docker's config.json.
std::string login_file();
// Adds or removes an entry of the file, which keeps everything else; 0600, complete or not at all.
// remove returns false where there was none. Throws Error.
void write_login(const std::string& file, const std::string& registry,
                 const Credentials& credentials);
bool remove_login(const std::string& file, const std::string& registry);

}  // namespace pcompose::engine
