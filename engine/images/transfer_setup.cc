#include "engine/images/transfer_setup.h"

#include <cstdlib>
#include <unistd.h>

#include "base/fd.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

// The first that says something, and its name.
struct Variable {
  std::string value, name;
};

Variable variable(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = environment({name}); !value.empty()) return {value, name};
  }
  return {};
}

std::string docker_config() {
  if (std::string directory = environment({"DOCKER_CONFIG"}); !directory.empty())
    return directory + "/config.json";
  std::string home = environment({"HOME"});
  return home.empty() ? "" : home + "/.docker/config.json";
}

const json::object* member(const json::object* object, const char* name) {
  const json::value* value = object == nullptr ? nullptr : object->if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

}  // namespace

Proxies parse_docker_proxies(std::string_view text) {
  try {
    json::value value = parse_json(text, "config.json");
    const json::object* found = member(member(value.if_object(), "proxies"), "default");
    auto read = [&](const char* name) {
      const json::value* proxy = found == nullptr ? nullptr : found->if_contains(name);
      return proxy != nullptr && proxy->is_string() ? std::string(proxy->get_string()) : "";
    };
    return {read("httpProxy"), read("httpsProxy"), read("noProxy"), "httpProxy of config.json",
            "httpsProxy of config.json"};
  } catch (const std::exception&) {
    return {};  // whoever reads the passwords in it says what is wrong
  }
}

Proxies find_proxies() {
  Variable http = variable({"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"});
  Variable https = variable({"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"});
  Proxies out{http.value, https.value, environment({"NO_PROXY", "no_proxy"}), http.name,
              https.name};
  if (!out.http.empty() || !out.https.empty()) return out;
  std::string config = docker_config();
  if (config.empty() || ::access(config.c_str(), R_OK) != 0) return out;
  return parse_docker_proxies(read_file(config));
}

std::vector<std::string> certificate_directories() {
  std::vector<std::string> out;
  if (std::string home = environment({"HOME"}); !home.empty())
    out.push_back(home + "/.config/containers/certs.d");
  out.insert(out.end(), {"/etc/containers/certs.d", "/etc/docker/certs.d"});
  return out;
}

Credentials Logins::find(const std::string& name) {
  auto [known, fresh] = known_.try_emplace(name);
  if (fresh) known->second = store_.find(name);
  return known->second;
}

void TransferReader::progress(const LayerProgress& p) {
  listener_.layer(p.digest, static_cast<PullListener::LayerState>(p.state), p.received, p.size);
}

}  // namespace pcompose::engine
