#include "scheduler/pod_check.h"

#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "compose/port_syntax.h"
#include "scheduler/planner.h"

namespace pcompose::scheduler {
namespace {

class PodChecker {
 public:
  PodChecker(const compose::Project& project, const ImagePorts& exposed)
      : project_(project), exposed_(exposed) {}

  std::vector<Diagnostic> run() {
    for (const auto& [name, service] : project_.services) {
      identity(service);
      networks(service);
      bool declares = ports(service);
      if (declares && service.scale > 1) {
        report(service.origin("scale"), service, "scale",
               fmt::format("{} containers in one pod cannot listen on one port; scale it to 1",
                           service.scale));
      }
    }
    return std::move(found_);
  }

 private:
  void report(Position at, const compose::Service& service, const std::string& what,
              std::string text) {
    found_.push_back({std::move(at), "services." + service.name + (what.empty() ? "" : "." + what),
                      std::move(text), Severity::error});
  }

  void identity(const compose::Service& service) {
    if (!service.hostname.empty()) {
      report(service.origin("hostname"), service, "hostname",
             "a pod has one host name, the project's; remove it");
    }
    if (!service.network_mode.empty()) {
      report(service.origin("network_mode"), service, "network_mode",
             "a pod has one network namespace; remove it");
    }
    if (!service.userns_mode.empty() && service.userns_mode != "host") {
      report(service.origin("userns_mode"), service, "userns_mode",
             "the namespaces of a pod are those of all its services; remove it");
    }
    if (!service.mac_address.empty()) {
      report(service.origin("mac_address"), service, "mac_address",
             "a pod has one address; remove it");
    }
  }

  void networks(const compose::Service& service) {
    for (const auto& n : service.networks) {
      std::string path = "networks." + n.network;
      if (!n.ipv4_address.empty() || !n.ipv6_address.empty()) {
        report(n.position, service, path, "a pod has one address for all services; remove it");
      }
      if (!network_) {
        network_ = n.network;
        network_at_ = n.position;
      } else if (*network_ != n.network) {
        report(n.position, service, path,
               fmt::format("a pod is on one network, and {} is on {}; networks cannot keep its "
                           "services apart",
                           network_at_.str(), *network_));
      }
    }
  }

  // True where the service declares any.
  bool ports(const compose::Service& service) {
    bool any = false;
    std::map<std::string, bool> own;  // one service may say it twice: ports and expose
    auto claim = [&](uint32_t port, const std::string& protocol, const Position& at,
                     const std::string& what) {
      any = true;
      std::string key = fmt::format("{}/{}", port, protocol);
      if (!own.emplace(key, true).second) return;
      auto [holder, fresh] = ports_.try_emplace(key, service.name, at);
      if (fresh) return;
      report(at, service, what,
             fmt::format("port {} is service {}'s already, at {}; in a pod both would listen at "
                         "one address",
                         key, holder->second.first, holder->second.second.str()));
    };
    for (size_t i = 0; i < service.ports.size(); ++i) {
      const auto& p = service.ports[i];
      claim(p.target, p.protocol, p.position, fmt::format("ports[{}]", i));
    }
    for (size_t i = 0; i < service.expose.size(); ++i) {
      std::string path = fmt::format("expose[{}]", i);
      claim_range(service.expose[i], service.origin(path), path, claim);
    }
    auto image = exposed_.find(service.name);
    // A job ends before others go on; what its image would listen on says nothing about it.
    if (image == exposed_.end() || is_job(project_, service.name)) return any;
    for (const std::string& text : image->second)
      claim_range(text, service.origin("image"), "image", claim);
    return any;
  }

  template <class Claim>
  void claim_range(const std::string& text, const Position& at, const std::string& what,
                   const Claim& claim) {
    size_t slash = std::min(text.find('/'), text.size());
    auto range = compose::parse_port_range(std::string_view(text).substr(0, slash));
    std::string protocol = slash < text.size() ? text.substr(slash + 1) : "tcp";
    if (!range) return;
    for (uint32_t p = range->first; p <= range->second; ++p) claim(p, protocol, at, what);
  }

  const compose::Project& project_;
  const ImagePorts& exposed_;
  std::map<std::string, std::pair<std::string, Position>> ports_;  // service and place
  std::optional<std::string> network_;
  Position network_at_;
  std::vector<Diagnostic> found_;
};

}  // namespace

void check_pod(const compose::Project& project, const ImagePorts& exposed) {
  auto found = PodChecker(project, exposed).run();
  if (!found.empty()) throw ComposeError(std::move(found));
}

}  // namespace pcompose::scheduler
