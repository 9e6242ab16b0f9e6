// What containers may look up: the names of running containers on the networks they share.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "netns/dns_server.h"
#include "netns/network_store.h"

namespace pcompose::scheduler {

class NameTable final : public netns::Names {
 public:
  // Replaces everything. `hidden`: containers that do not run (yet): they look up, but are not
  // found: their names have no address, as long as nobody else has them. `unhealthy` ones are found
  // last.
  void rebuild(const std::vector<netns::EndpointRow>& endpoints,
               const std::vector<netns::NetworkRow>& networks, const std::set<std::string>& hidden,
               const std::set<std::string>& unhealthy = {});

  // Names of this network, in any letter case, that may have no address just now: nobody upstream
  // is asked for them. After rebuild().
  void know(const std::string& network, const std::vector<std::string>& names);

  // Something changed: `bring` is called before the next answer, to rebuild(). Thousands may change
  // between two questions.
  void expire() { expired_ = true; }
  std::function<void()> bring;

  // What one container has of its own: `links` under their aliases, `dns` servers. Kept over
  // rebuild().
  struct Own {
    std::map<std::string, std::string> links;  // alias -> name
    std::vector<asio::ip::address> servers;
  };
  void set_own(const std::string& scope, Own own) { own_[scope] = std::move(own); }
  void drop_own(const std::string& scope) { own_.erase(scope); }
  std::vector<asio::ip::address> servers(const std::string& scope) override;

  std::optional<netns::Found> find(const std::string& scope, const std::string& name) override;
  std::optional<std::string> reverse(const std::string& scope, const netns::Ip& address) override;
  [[nodiscard]] bool may_leave(const std::string& scope) override;

 private:
  struct Network {
    std::map<std::string, netns::Found> names;
    std::map<netns::Ip, std::string> addresses;
    bool internal = false;
    netns::Found host;  // the bridge's own addresses, which are the host's
  };
  void refresh();
  [[nodiscard]] std::optional<netns::Found> find_host(const std::string& scope);
  // Its network with the default route first.
  std::map<std::string, Network> networks_;                 // by id
  std::map<std::string, std::vector<std::string>> scopes_;  // short container id -> network ids
  std::map<std::string, Own> own_;                          // by short container id
  bool expired_ = false;
};

}  // namespace pcompose::scheduler
