// What pcompose-images is told to pull. It travels as JSON through a pipe: it holds passwords,
// which belong neither into arguments nor into an environment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/images/platform.h"

namespace pcompose::engine {

// What a registry gets to see of who asks. All empty: anonymous.
struct Credentials {
  std::string username;
  std::string password;
  std::string identity_token;  // for an OAuth2 token server instead of a password
  std::string registry_token;  // a bearer token as it is

  [[nodiscard]] bool empty() const {
    return username.empty() && identity_token.empty() && registry_token.empty();
  }
};

enum class Tls { verified, insecure };  // insecure: any certificate, and http where there is no TLS

// A repository at one registry: where an image may come from.
struct ImageSource {
  std::string host;   // where to connect: "registry-1.docker.io", "127.0.0.1:5000"
  std::string path;   // "library/nginx"
  std::string shown;  // the registry's name for people: "docker.io"
  Tls tls = Tls::verified;
  Credentials credentials;
};

// A name that the image may have, with the places that hold it: mirrors first.
struct ImageCandidate {
  std::string reference;  // normalised; what the store calls it
  std::vector<ImageSource> sources;
};

struct PullImage {
  std::string written;  // as the user calls it
  // One, or several where the name has no registry and some are searched. Tried in order.
  std::vector<ImageCandidate> candidates;
  Platform platform;
  bool platform_given = false;  // by the user, not the host's
  // Digest of the manifest (or index) that the store has under the name: nothing is fetched where
  // the registry still has the same. "" where the image is not here.
  std::string known;
};

// Proxies as curl(1) has them in its environment; they may hold a password.
struct Proxies {
  std::string http, https, none;
  std::string http_from, https_from;  // who said so, for people: "HTTPS_PROXY"
};

struct PullRequest {
  std::vector<PullImage> images;
  bool digests_only = false;        // what the registries have under the names; nothing is fetched
  std::vector<ImageSource> logins;  // only to be tried; their indexes come after the images'
  Proxies proxies;
  std::vector<std::string> certificate_directories;  // …/certs.d, the most important first
};

// Parts of requests.
json::object write_source(const ImageSource& source);
ImageSource read_source(const json::object& object);
json::object write_proxies(const Proxies& proxies);
Proxies read_proxies(const json::object& object);

std::string write_pull_request(const PullRequest& request);
// Throws Error.
PullRequest read_pull_request(std::string_view text);

}  // namespace pcompose::engine
