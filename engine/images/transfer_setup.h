// What every transfer with registries needs of this user's: proxies, certificates, passwords.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/images.h"
#include "engine/images/credentials.h"
#include "engine/images/pull_request.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// HTTP_PROXY, HTTPS_PROXY, NO_PROXY and ALL_PROXY, either case; where none is set, "proxies" of
// docker's config.json.
Proxies find_proxies();
// The member "proxies" of docker's config.json: "default", or none of it. Never throws.
Proxies parse_docker_proxies(std::string_view text);
std::vector<std::string> certificate_directories();

// Several services often use one registry: a helper is asked once.
class Logins {
 public:
  // For "docker.io/library/nginx". Throws Error where a helper fails.
  Credentials find(const std::string& name);

 private:
  CredentialStore store_ = CredentialStore::read();
  std::map<std::string, Credentials> known_;
};

// Passes the report of a transfer on.
class TransferReader final : public ReportReader {
 public:
  TransferReader(PullListener& listener, std::function<void(PulledImage&&)> take)
      : listener_(listener), take_(std::move(take)) {}

 private:
  void progress(const LayerProgress& p) override;
  void pulled(PulledImage&& image) override { take_(std::move(image)); }

  PullListener& listener_;
  std::function<void(PulledImage&&)> take_;
};

}  // namespace pcompose::engine
