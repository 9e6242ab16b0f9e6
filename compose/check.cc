#include "compose/check.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <map>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compose/canonical.h"
#include "compose/cycle.h"
#include "compose/interpolate.h"
#include "compose/port_syntax.h"

namespace pcompose::compose {
namespace {

bool name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool good_name(std::string_view text) {
  return !text.empty() && name_start(text.front()) && std::ranges::all_of(text, [](char c) {
    return name_start(c) || c == '_' || c == '.' || c == '-';
  });
}

const std::vector<Entry>& entries_of(const Node& node, std::string_view key) {
  static const std::vector<Entry> kNone;
  const Node* child = node.find(key);
  return child == nullptr ? kNone : child->entries;
}

const std::vector<Node>& items_of(const Node& node, std::string_view key) {
  static const std::vector<Node> kNone;
  const Node* child = node.find(key);
  return child == nullptr ? kNone : child->items;
}

// "10.0.0.0/16" or the like for IPv6.
bool is_subnet(const std::string& text) {
  size_t slash = text.find('/');
  if (slash == std::string::npos || !is_ip_address(text.substr(0, slash))) return false;
  int bits = -1;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
  int most = text.find(':') == std::string::npos ? 32 : 128;
  return error == std::errc() && stop == end && bits >= 0 && bits <= most;
}

// `every_` is followed by numbers with a unit each: every_1w2d.
bool is_pull_policy(std::string_view text) {
  constexpr std::array<std::string_view, 8> kWords{"always",  "never",   "build", "if_not_present",
                                                   "missing", "refresh", "daily", "weekly"};
  if (std::ranges::find(kWords, text) != kWords.end()) return true;
  if (!text.starts_with("every_") || text.size() < 8) return false;
  bool digit = false;
  for (char c : text.substr(6)) {
    bool unit = std::string_view("wdhms").find(c) != std::string_view::npos;
    if (unit ? !digit : c < '0' || c > '9') return false;
    digit = !unit;
  }
  return !digit;
}

class Checker {
 public:
  Checker(const Node& root, const Node& disabled, Values values, Diagnostics& diagnostics)
      : root_(root), disabled_(disabled), values_(values), diagnostics_(diagnostics) {}

  void run() {
    for (const Entry& entry : entries_of(root_, "services")) {
      std::string path = below("services", entry.key);
      if (!diagnostics_.failed_at(path)) service(entry, path);
    }
    for (std::string_view kind : {"networks", "volumes", "secrets", "configs"}) {
      for (const Entry& entry : entries_of(root_, kind)) resource(kind, entry);
    }
    cycles();
  }

 private:
  void error(const OriginPtr& origin, const std::string& path, std::string message) {
    diagnostics_.error(origin, path, std::move(message));
  }

  [[nodiscard]] bool is_raw(std::string_view text) const {
    return values_ == Values::as_written && has_variable(text);
  }
  [[nodiscard]] bool is_raw(const Node* node) const {
    return node != nullptr && is_raw(node->text);
  }

  void service(const Entry& entry, const std::string& path) {
    const Node& service = entry.value;
    if (service.text_of("image").empty() && service.find("build") == nullptr &&
        service.find("provider") == nullptr && !diagnostics_.failed_at(path + ".extends")) {
      error(entry.origin, path, "has neither an image nor a build; add 'image: …'");
    }
    if (service.find("network_mode") != nullptr && service.find("networks") != nullptr &&
        !service.find("networks")->entries.empty()) {
      error(service.find("network_mode")->origin, path,
            "'network_mode' and 'networks' exclude each other; remove one of the two");
    }
    references(service, path);
    dependencies(service, path);
    names(entry, path);
    replicas(service, path);
    limits(service, path);
    targets(service, path);
    shared_network(service, path);
    fixed_addresses(service, path);
    if (const Node* build = service.find("build"))
      this->build(service, *build, below(path, "build"));
    ranges(service, path);
  }

  void build(const Node& service, const Node& build, const std::string& path) {
    if (const Node* text = build.find("dockerfile_inline");
        text != nullptr && build.find("dockerfile") != nullptr) {
      error(text->origin, path,
            "'dockerfile' and 'dockerfile_inline' exclude each other; remove one of the two");
    }
    for (const Entry& context : entries_of(build, "additional_contexts")) built_by(context, path);
    for (size_t i = 0; i < items_of(build, "secrets").size(); ++i) {
      const Node& secret = items_of(build, "secrets")[i];
      reference("secrets", secret.text_of("source"), secret.origin,
                at_index(below(path, "secrets"), i));
    }
    std::string platform = service.text_of("platform");
    const auto& platforms = items_of(build, "platforms");
    if (!platform.empty() && !platforms.empty() && !is_raw(service.find("platform")) &&
        std::ranges::find(platforms, platform, &Node::text) == platforms.end()) {
      error(service.find("platform")->origin, below(path, "platforms"),
            fmt::format("does not hold the service's platform {}; add it", platform));
    }
  }

  // `service:NAME` is the image that a build of ours makes.
  void built_by(const Entry& context, const std::string& path) {
    const std::string& text = context.value.text;
    if (!text.starts_with("service:")) return;
    std::string at = below(below(path, "additional_contexts"), context.key);
    const Node* services = root_.find("services");
    const Node* service = services->find(text.substr(8));
    if (service == nullptr) return reference("services", text.substr(8), context.origin, at);
    if (service->find("build") == nullptr)
      error(context.origin, at, fmt::format("{} has no build", text));
  }

  void ranges(const Node& service, const std::string& path) {
    if (const Node* score = service.find("oom_score_adj"); score != nullptr && !is_raw(score)) {
      long value = std::strtol(score->text.c_str(), nullptr, 10);
      if (value < -1000 || value > 1000)
        error(score->origin, below(path, "oom_score_adj"), "must be between -1000 and 1000");
    }
    const Node* policy = service.find("pull_policy");
    if (policy == nullptr || policy->text.empty() || is_raw(policy)) return;
    if (!is_pull_policy(policy->text)) {
      error(policy->origin, below(path, "pull_policy"),
            fmt::format("\"{}\" is none of always, never, missing, build, refresh, daily, weekly, "
                        "every_12h",
                        policy->text));
    }
  }

  void shared_network(const Node& service, const std::string& path) {
    std::string mode = service.text_of("network_mode");
    bool by_service = mode.starts_with("service:");
    if (!by_service && !mode.starts_with("container:")) return;
    std::string owner = by_service ? "service " + mode.substr(8) : "container " + mode.substr(10);
    for (size_t i = 0; i < items_of(service, "ports").size(); ++i) {
      error(items_of(service, "ports")[i].origin, at_index(below(path, "ports"), i),
            fmt::format("the container has no network of its own; publish the port at {}", owner));
    }
  }

  void fixed_addresses(const Node& service, const std::string& path) {
    const Node* scale = service.find("scale");
    const Node* deploy = service.find("deploy");
    if (scale == nullptr && deploy != nullptr) scale = deploy->find("replicas");
    if (scale == nullptr || scale->text == "1" || scale->text == "0") return;
    for (const Entry& network : entries_of(service, "networks")) {
      for (std::string_view key : {"ipv4_address", "ipv6_address", "mac_address"}) {
        const Node* address = network.value.find(key);
        if (address == nullptr) continue;
        error(
            address->origin, below(below(below(path, "networks"), network.key), key),
            fmt::format("{} containers cannot have one address; remove it or scale", scale->text));
      }
    }
  }

  // Whether a top-level mapping holds the name. A set a kind: a file's thousand services would be
  // searched for as many times.
  [[nodiscard]] bool is_defined(std::string_view kind, std::string_view name) {
    auto [it, fresh] = defined_.try_emplace(kind);
    if (fresh) {
      for (const Entry& entry : entries_of(root_, kind)) it->second.insert(entry.key);
    }
    return it->second.contains(name);
  }

  // `what` is undefined unless a top-level mapping of that name holds it.
  void reference(std::string_view kind, const std::string& name, const OriginPtr& origin,
                 const std::string& path) {
    if (is_defined(kind, name) || is_raw(name)) return;
    if (diagnostics_.failed_at(std::string(kind))) return;
    std::string_view one = kind.substr(0, kind.size() - 1);
    error(origin, path,
          fmt::format("refers to undefined {} {}; define it under the top-level '{}:'", one, name,
                      kind));
  }

  void references(const Node& service, const std::string& path) {
    for (const Entry& network : entries_of(service, "networks")) {
      std::string at = below(below(path, "networks"), network.key);
      if (network.key != "default") reference("networks", network.key, network.origin, at);
      for (std::string_view key : {"ipv4_address", "ipv6_address"}) {
        const Node* address = network.value.find(key);
        if (address == nullptr || is_raw(address)) continue;
        bool v6 = address->text.find(':') != std::string::npos;
        if (is_ip_address(address->text) && v6 == (key == "ipv6_address")) continue;
        error(address->origin, below(at, key),
              fmt::format("\"{}\" is no {} address", address->text,
                          key == "ipv6_address" ? "IPv6" : "IPv4"));
      }
    }
    for (size_t i = 0; i < items_of(service, "volumes").size(); ++i) {
      const Node& mount = items_of(service, "volumes")[i];
      std::string source = mount.text_of("source");
      if (mount.text_of("type") != "volume" || source.empty()) continue;
      reference("volumes", source, mount.find("source")->origin,
                at_index(below(path, "volumes"), i));
    }
    for (std::string_view kind : {"secrets", "configs"}) {
      for (size_t i = 0; i < items_of(service, kind).size(); ++i) {
        const Node& grant = items_of(service, kind)[i];
        reference(kind, grant.text_of("source"), grant.origin, at_index(below(path, kind), i));
      }
    }
  }

  void dependencies(const Node& service, const std::string& path) {
    for (const Entry& entry : entries_of(service, "depends_on")) {
      if (is_defined("services", entry.key) || !entry.value.flag("required")) continue;
      if (is_raw(entry.key)) continue;
      std::string at = below(below(path, "depends_on"), entry.key);
      std::string name = path.substr(path.find('.') + 1);
      const Node* off = disabled_.find(entry.key);
      if (diagnostics_.failed_at("services." + entry.key)) continue;
      if (off == nullptr) {
        error(entry.origin, at,
              fmt::format("service \"{}\" depends on undefined service \"{}\"", name, entry.key));
        continue;
      }
      std::vector<std::string> profiles;
      for (const Node& profile : items_of(*off, "profiles")) profiles.push_back(profile.text);
      error(entry.origin, at,
            fmt::format(
                "service \"{0}\" depends on service \"{1}\", which is disabled; enable it with "
                "--profile {2}, or write 'required: false'",
                name, entry.key, fmt::join(profiles, " or ")));
    }
  }

  void names(const Entry& entry, const std::string& path) {
    const Node& service = entry.value;
    for (const Node& profile : items_of(service, "profiles")) {
      if (good_name(profile.text)) continue;
      error(profile.origin, below(path, "profiles"),
            fmt::format("\"{}\" is no profile name; use letters, digits, '_', '.', '-'",
                        profile.text));
    }
    const Node* name = service.find("container_name");
    if (name == nullptr || is_raw(name)) return;
    std::string at = below(path, "container_name");
    if (!good_name(name->text) || name->text.size() < 2) {
      error(name->origin, at,
            fmt::format("\"{}\" is no container name; use letters, digits, '_', '.', '-'",
                        name->text));
    }
  }

  void replicas(const Node& service, const std::string& path) {
    const Node* scale = service.find("scale");
    const Node* deploy = service.find("deploy");
    const Node* count = deploy == nullptr ? nullptr : deploy->find("replicas");
    for (const Node* node : {scale, count}) {
      if (node != nullptr && node->text.starts_with('-'))
        error(node->origin, path, "a scale cannot be negative");
    }
    if (scale != nullptr && count != nullptr && scale->text != count->text && !is_raw(scale) &&
        !is_raw(count)) {
      error(scale->origin, path, "'scale' and 'deploy.replicas' differ; remove one of the two");
    }
    if (count == nullptr) count = scale;
    if (count != nullptr && !is_raw(count) && service.find("container_name") != nullptr &&
        count->text != "1" && count->text != "0") {
      error(count->origin, path, "a service with a container_name has one replica at most");
    }
  }

  // A limit that is written twice must be the same twice.
  void limits(const Node& service, const std::string& path) {
    const Node* deploy = service.find("deploy");
    const Node* resources = deploy == nullptr ? nullptr : deploy->find("resources");
    if (resources == nullptr) return;
    constexpr std::array<std::array<std::string_view, 3>, 4> kPairs{
        {{"cpus", "limits", "cpus"},
         {"mem_limit", "limits", "memory"},
         {"pids_limit", "limits", "pids"},
         {"mem_reservation", "reservations", "memory"}}};
    for (const auto& [own, group, name] : kPairs) {
      const Node* a = service.find(own);
      const Node* set = resources->find(group);
      const Node* b = set == nullptr ? nullptr : set->find(name);
      if (a == nullptr || b == nullptr || a->text == b->text) continue;
      error(a->origin, path,
            fmt::format("'{}' and 'deploy.resources.{}.{}' differ; remove one of the two", own,
                        group, name));
    }
  }

  void targets(const Node& service, const std::string& path) {
    std::map<std::string, Position> seen;
    for (const Node& mount : items_of(service, "volumes"))
      seen.emplace(mount.text_of("target"), mount.position());
    for (size_t i = 0; i < items_of(service, "tmpfs").size(); ++i) {
      const Node& tmpfs = items_of(service, "tmpfs")[i];
      std::string target = tmpfs.text.substr(0, tmpfs.text.find(':'));
      std::string at = at_index(below(path, "tmpfs"), i);
      if (!target.starts_with('/'))
        error(tmpfs.origin, at, fmt::format("\"{}\" is no absolute path", target));
      auto [other, fresh] = seen.emplace(target, tmpfs.position());
      if (!fresh)
        error(tmpfs.origin, at,
              fmt::format("{} is mounted already, at {}", target, other->second.str()));
    }
  }

  void resource(std::string_view kind, const Entry& entry) {
    std::string path = below(std::string(kind), entry.key);
    const Node& node = entry.value;
    if (node.flag("external")) {
      for (const Entry& attribute : node.entries) {
        if (attribute.key == "name" || attribute.key == "external" ||
            attribute.key.starts_with("x-"))
          continue;
        std::string wrong = fmt::format(
            "'external' and '{0}' exclude each other: what is external is made elsewhere; remove "
            "'{0}'",
            attribute.key);
        // Docker Compose looks at volumes only, and files have it on networks.
        if (kind == "volumes")
          error(attribute.origin, path, std::move(wrong));
        else
          diagnostics_.warning(attribute.origin, path, std::move(wrong));
      }
    } else if (kind == "secrets" || kind == "configs") {
      sources(kind, entry, path);
    }
    if (kind == "networks") pools(node, path);
  }

  void sources(std::string_view kind, const Entry& entry, const std::string& path) {
    std::vector<std::string_view> given;
    for (std::string_view key : {"file", "environment", "content"}) {
      if (entry.value.find(key) != nullptr) given.push_back(key);
    }
    if (diagnostics_.failed_at(path) || entry.value.find("driver") != nullptr) return;
    if (given.size() > 1) {
      error(entry.origin, path,
            fmt::format("'{}' exclude each other; keep one", fmt::join(given, "' and '")));
    } else if (given.empty()) {
      error(entry.origin, path,
            fmt::format("has no source; give it 'file' or 'environment'{}",
                        kind == "configs" ? " or 'content'" : ""));
    }
  }

  void pools(const Node& network, const std::string& path) {
    const Node* ipam = network.find("ipam");
    if (ipam == nullptr) return;
    for (size_t i = 0; i < items_of(*ipam, "config").size(); ++i) {
      const Node& pool = items_of(*ipam, "config")[i];
      std::string at = at_index(path + ".ipam.config", i);
      const Node* subnet = pool.find("subnet");
      if (subnet != nullptr && !is_raw(subnet) && !is_subnet(subnet->text)) {
        error(subnet->origin, at + ".subnet",
              fmt::format("\"{}\" is no subnet like 172.28.0.0/16", subnet->text));
      }
      const Node* gateway = pool.find("gateway");
      if (gateway != nullptr && !is_raw(gateway) && !is_ip_address(gateway->text)) {
        error(gateway->origin, at + ".gateway",
              fmt::format("\"{}\" is no IP address", gateway->text));
      }
    }
  }

  void cycles() {
    Edges edges;
    for (const Entry& service : entries_of(root_, "services")) {
      auto& targets = edges[service.key];
      for (const Entry& dependency : entries_of(service.value, "depends_on")) {
        targets.emplace(dependency.key, position_of(dependency.origin));
      }
    }
    auto cycle = find_cycle(edges);
    if (!cycle) return;
    diagnostics_.error(
        {cycle->position,
         fmt::format("services.{}.depends_on", cycle->names.at(cycle->names.size() - 2)),
         fmt::format("dependency cycle detected: {}", cycle->str()), Severity::error});
  }

  const Node& root_;
  const Node& disabled_;
  Values values_;
  std::map<std::string_view, std::unordered_set<std::string_view>> defined_;  // by kind
  Diagnostics& diagnostics_;
};

}  // namespace

void check_consistency(const Node& root, const Node& disabled, Values values,
                       Diagnostics& diagnostics) {
  Checker(root, disabled, values, diagnostics).run();
}

}  // namespace pcompose::compose
