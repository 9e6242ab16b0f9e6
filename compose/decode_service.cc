#include "compose/decode_service.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compose/canonical.h"
#include "compose/fields.h"
#include "compose/mount_syntax.h"
#include "compose/node_archive.h"
#include "compose/port_syntax.h"
#include "compose/units.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

std::vector<std::string> strings_of(const Node* node) {
  std::vector<std::string> out;
  if (node == nullptr) return out;
  for (const Node& item : node->items) out.push_back(item.text);
  return out;
}

std::optional<std::vector<std::string>> words_of(const Node* node) {
  if (node == nullptr || !node->is(Kind::sequence)) return std::nullopt;
  return strings_of(node);
}

std::optional<Milliseconds> duration_of(const Node* node) {
  auto value = node == nullptr ? std::nullopt : parse_duration(node->text);
  if (!value) return std::nullopt;
  return std::chrono::duration_cast<Milliseconds>(*value);
}

int64_t integer_of(const Node* node, int64_t otherwise) {
  return node == nullptr ? otherwise : parse_integer(node->text).value_or(otherwise);
}

// Every value's place by its path in the service. A command is one thing, whatever its words are.
void note_origins(const Node& node, const std::string& path, std::map<std::string, Position>& out) {
  if (!path.empty()) out[path] = node.position();
  for (const Entry& entry : node.entries) note_origins(entry.value, below(path, entry.key), out);
  if (path == "command" || path == "entrypoint" || path == "healthcheck.test") return;
  for (size_t i = 0; i < node.items.size(); ++i) out[at_index(path, i)] = node.items[i].position();
}

Condition condition_of(const std::string& text) {
  if (text == "service_healthy") return Condition::service_healthy;
  if (text == "service_completed_successfully") return Condition::service_completed_successfully;
  if (text == "service_listening") return Condition::service_listening;
  return Condition::service_started;
}

bool names_another(const Node& node, std::string_view key) {
  const Node* written = node.find(key);
  if (written == nullptr) return false;
  std::string_view text = written->text;
  return (text.starts_with("service:") && text.size() > 8) ||
         (text.starts_with("container:") && text.size() > 10);
}

MountType mount_type_of(std::string_view text) {
  const auto& words = EnumWords<MountType>::words;
  const auto* found = std::ranges::find(words, text);
  return found == words.end() ? MountType::volume : static_cast<MountType>(found - words.begin());
}

}  // namespace

void report_unsupported(Unsupported unsupported, Diagnostics& diagnostics, const Node& node,
                        const std::string& path, const std::string& what,
                        const std::string& instead) {
  std::string text = fmt::format("{} is not supported by pcompose yet; use {}", what, instead);
  if (unsupported == Unsupported::refuse) {
    diagnostics.refuse(node.origin, path, std::move(text));
  } else {
    diagnostics.warning(node.origin, path, std::move(text));
  }
}

void ServiceDecoder::error(const Node& node, const std::string& path, std::string message) {
  diagnostics_.error(node.origin, below(path_, path), std::move(message));
}

void ServiceDecoder::cannot(const Node& node, const std::string& path, const std::string& what,
                            const std::string& instead) {
  report_unsupported(unsupported_, diagnostics_, node, below(path_, path), what, instead);
}

// Values whose others are not supported yet.
void ServiceDecoder::only(const Node& node, std::string_view key,
                          std::initializer_list<std::string_view> known) {
  const Node* written = node.find(key);
  if (written == nullptr || written->text.empty() ||
      std::ranges::find(known, written->text) != known.end())
    return;
  cannot(*written, std::string(key), fmt::format("\"{}\"", written->text),
         fmt::format("{}", fmt::join(known, ", ")));
}

Service ServiceDecoder::decode(const Entry& entry) {
  const Node& node = entry.value;
  path_ = below("services", entry.key);
  Service out;
  out.name = entry.key;
  out.position = position_of(entry.origin);
  texts(node, out);
  out.command = words_of(node.find("command"));
  out.entrypoint = words_of(node.find("entrypoint"));
  out.expose = strings_of(node.find("expose"));
  out.profiles = strings_of(node.find("profiles"));
  out.stop_grace_period = duration_of(node.find("stop_grace_period"));
  NodeReader reader(node);
  plain_service_fields(reader, out);
  scale(node, out);
  without_effect(node);
  logging(node);
  ports(node, out);
  mounts(node, out);
  tmpfs(node, out);
  networks(node, out);
  depends_on(node, out);
  health(node, out);
  own_extension(node, out);
  restart(node, out);
  note_origins(node, "", out.origins);
  return out;
}

void ServiceDecoder::texts(const Node& node, Service& out) {
  out.image = node.text_of("image");
  out.container_name = node.text_of("container_name");
  out.network_mode = node.text_of("network_mode");
  const std::string& mode = out.network_mode;
  bool known = mode.find(':') == std::string::npos || mode.starts_with("service:") ||
               mode.starts_with("container:");
  if (!known) {
    cannot(*node.find("network_mode"), "network_mode", fmt::format("\"{}\"", mode),
           "none, host, bridge, service:NAME, container:NAME or a network's name");
  }
  if (!names_another(node, "ipc"))
    only(node, "ipc", {"private", "shareable", "host", "none", "service:NAME", "container:NAME"});
  if (!names_another(node, "pid"))
    only(node, "pid", {"private", "host", "service:NAME", "container:NAME"});
  only(node, "uts", {"host"});
  user_namespace(node);
  only(node, "isolation", {"default"});
  refuse_what_windows_has(node);
  options_of_storage(node);
  if (const Node* hooks = node.find("pre_start")) {
    for (const Node& hook : hooks->items) {
      const Node* each = hook.find("per_replica");
      if (each != nullptr && each->text == "true")
        cannot(*each, "pre_start", "per_replica: true", "one run for all replicas: false");
    }
  }
  if (const Node* environment = node.find("environment")) {
    for (const Entry& entry : environment->entries) {
      bool given = !entry.value.is(Kind::null);
      out.environment[entry.key] = given ? std::optional(entry.value.text) : std::nullopt;
    }
  }
  if (const Node* expose = node.find("expose")) {
    for (const Node& item : expose->items) {
      std::string_view ports = std::string_view(item.text).substr(0, item.text.find('/'));
      if (!parse_port_range(ports))
        error(item, "expose", fmt::format("\"{}\" is no port or range", item.text));
    }
  }
}

void ServiceDecoder::refuse_what_windows_has(const Node& node) {
  const Node* written = node.find("credential_spec");
  if (written == nullptr) return;
  std::string text = "is the account of a Windows container, which Linux has not; remove it";
  if (unsupported_ == Unsupported::refuse) {
    diagnostics_.refuse(written->origin, below(path_, "credential_spec"), std::move(text));
  } else {
    diagnostics_.warning(written->origin, below(path_, "credential_spec"), std::move(text));
  }
}

void ServiceDecoder::options_of_storage(const Node& node) {
  const Node* options = node.find("storage_opt");
  if (options == nullptr) return;
  for (const Entry& entry : options->entries) {
    if (entry.key != "size") {
      error(entry.value, below("storage_opt", entry.key), "is not known; size is the only option");
    } else if (auto bytes = parse_bytes(entry.value.text); !bytes || *bytes <= 0) {
      error(entry.value, "storage_opt.size",
            fmt::format("\"{}\" is no size like 10g", entry.value.text));
    }
  }
}

// The options of docker's json-file and local.
void ServiceDecoder::logging(const Node& node) {
  const Node* logging = node.find("logging");
  if (logging == nullptr) return;
  const Node* driver = logging->find("driver");
  if (driver != nullptr) {
    bool known = driver->text.empty() || driver->text == "json-file" || driver->text == "local" ||
                 driver->text == "none";
    if (!known) {
      cannot(*driver, "logging.driver", fmt::format("\"{}\"", driver->text),
             "json-file, local or none");
      return;
    }
  }
  const Node* options = logging->find("options");
  if (options == nullptr) return;
  for (const Entry& option : options->entries) log_option(option);
}

void ServiceDecoder::log_option(const Entry& option) {
  std::string path = below("logging.options", option.key);
  if (option.key == "max-size") {
    auto size = parse_bytes(option.value.text);
    if (!size || *size <= 0)
      error(option.value, path, fmt::format("\"{}\" is no size such as 10m", option.value.text));
  } else if (option.key == "max-file") {
    int count = 0;
    const std::string& text = option.value.text;
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (problem != std::errc() || end != text.data() + text.size() || count < 1)
      error(option.value, path, fmt::format("\"{}\" is no number of files", text));
  } else {
    constexpr std::string_view kHarmless[] = {
        "compress", "mode", "max-buffer-size", "tag", "labels", "labels-regex", "env", "env-regex"};
    bool known = std::ranges::find(kHarmless, option.key) != std::end(kHarmless);
    if (known)
      diagnostics_.warning(option.origin, below(path_, path), "has no effect on our logs");
    else
      error(option.value, path, "no such option; there are max-size and max-file");
  }
}

void ServiceDecoder::ports(const Node& node, Service& out) {
  const Node* list = node.find("ports");
  if (list == nullptr) return;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Node& item = list->items[i];
    Port port;
    port.host_ip = item.text_of("host_ip");
    port.target = static_cast<uint16_t>(integer_of(item.find("target"), 0));
    port.protocol = item.text_of("protocol", "tcp");
    port.mode = item.text_of("mode") == "ingress" ? "" : item.text_of("mode");
    port.name = item.text_of("name");
    port.app_protocol = item.text_of("app_protocol");
    port.position = item.position();
    if (auto range = parse_port_range(item.text_of("published"))) {
      port.published = range->first;
      port.published_end = range->second == range->first ? uint16_t{0} : range->second;
    }
    if (port.protocol == "sctp")
      cannot(item, at_index("ports", i), "the protocol sctp", "tcp or udp");
    out.ports.push_back(std::move(port));
  }
}

void ServiceDecoder::mounts(const Node& node, Service& out) {
  const Node* list = node.find("volumes");
  if (list == nullptr) return;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Node& item = list->items[i];
    Mount mount;
    mount.type = mount_type_of(item.text_of("type"));
    mount.source = item.text_of("source");
    mount.target = item.text_of("target");
    mount.read_only = item.flag("read_only");
    mount.position = item.position();
    mount_options(item, mount);
    std::string path = at_index("volumes", i);
    if (mount.type == MountType::npipe || mount.type == MountType::cluster)
      cannot(item, path, fmt::format("the type {}", item.text_of("type")),
             "bind, volume, tmpfs or image");
    // "d:/data" is a drive letter in every compose file, whatever the machine.
    constexpr std::string_view cure = "a volume whose name is one letter needs the long form";
    if (!mount.target.starts_with('/')) {
      error(item, path,
            fmt::format("the target \"{}\" is no absolute path; {}", mount.target, cure));
    }
    if (mount.type == MountType::bind && !mount.source.starts_with('/')) {
      error(item, path, fmt::format("\"{}\" is no path of this machine; {}", mount.source, cure));
    }
    out.volumes.push_back(std::move(mount));
  }
}

void ServiceDecoder::mount_options(const Node& item, Mount& mount) {
  mount.consistency = item.text_of("consistency");
  if (const Node* bind = item.find("bind")) {
    mount.propagation = bind->text_of("propagation");
    mount.create_host_path = bind->text_of("create_host_path", "true") == "true";
    mount.recursive = bind->text_of("recursive");
    mount.selinux = bind->text_of("selinux");
  }
  if (const Node* volume = item.find("volume")) {
    mount.nocopy = volume->flag("nocopy");
    mount.subpath = volume->text_of("subpath");
    NodeReader(*volume).field("labels", mount.volume_labels);
  }
  if (const Node* image = item.find("image")) mount.subpath = image->text_of("subpath");
  if (const Node* options = item.find("tmpfs")) {
    mount.tmpfs_size = integer_of(options->find("size"), 0);
    mount.tmpfs_mode = static_cast<uint32_t>(integer_of(options->find("mode"), 0));
  }
}

void ServiceDecoder::tmpfs(const Node& node, Service& out) {
  const Node* list = node.find("tmpfs");
  if (list == nullptr) return;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const Node& item = list->items[i];
    std::string_view text = item.text;
    Mount mount;
    mount.type = MountType::tmpfs;
    mount.position = item.position();
    size_t colon = std::min(text.find(':'), text.size());
    mount.target = std::string(text.substr(0, colon));
    std::string_view options = text.substr(std::min(colon + 1, text.size()));
    while (!options.empty()) {
      size_t comma = std::min(options.find(','), options.size());
      tmpfs_option(item, options.substr(0, comma), mount, at_index("tmpfs", i));
      options.remove_prefix(std::min(comma + 1, options.size()));
    }
    out.volumes.push_back(std::move(mount));
  }
}

void ServiceDecoder::tmpfs_option(const Node& item, std::string_view option, Mount& mount,
                                  const std::string& path) {
  if (option == "rw" || option == "noexec" || option == "nosuid" || option == "nodev") return;
  if (option == "ro") {
    mount.read_only = true;
  } else if (option.starts_with("size=")) {
    auto size = parse_bytes(option.substr(5));
    if (!size || *size < 0)
      return error(item, path, fmt::format("\"{}\" is no size like 64m", option.substr(5)));
    mount.tmpfs_size = *size;
  } else if (option.starts_with("mode=")) {
    std::string_view digits = option.substr(5);
    auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), mount.tmpfs_mode, 8);
    if (failed != std::errc() || end != digits.data() + digits.size()) {
      error(item, path, fmt::format("\"{}\" is no octal mode like 1777", digits));
    }
  } else {
    cannot(item, path, fmt::format("the tmpfs option \"{}\"", option), "size, mode, ro, rw");
  }
}

void ServiceDecoder::networks(const Node& node, Service& out) {
  const Node* members = node.find("networks");
  if (members == nullptr) return;
  for (const Entry& entry : members->entries) {
    ServiceNetwork network;
    network.network = entry.key;
    NodeReader reader(entry.value);
    fields(reader, network);
    network.position = position_of(entry.origin);
    out.networks.push_back(std::move(network));
  }
}

void ServiceDecoder::depends_on(const Node& node, Service& out) {
  const Node* dependencies = node.find("depends_on");
  if (dependencies == nullptr) return;
  for (const Entry& entry : dependencies->entries) {
    Dependency dependency;
    dependency.service = entry.key;
    dependency.condition = condition_of(entry.value.text_of("condition"));
    dependency.restart = entry.value.flag("restart");
    dependency.required = entry.value.flag("required");
    dependency.position = position_of(entry.origin);
    out.depends_on.push_back(std::move(dependency));
  }
}

void ServiceDecoder::health(const Node& node, Service& out) {
  const Node* check = node.find("healthcheck");
  const Node* own = node.find("x-pcompose-probe");
  if (own == nullptr && check != nullptr) own = check->find("x-pcompose-probe");
  if (check == nullptr && own == nullptr) return;
  if (check == nullptr) {
    HealthCheck health;
    health.position = own->position();
    health.test = probe_of(*own);
    out.healthcheck = std::move(health);
    return;
  }
  HealthCheck health;
  health.position = check->position();
  health.test = strings_of(check->find("test"));
  health.disabled =
      check->flag("disable") || (!health.test.empty() && health.test.front() == "NONE");
  health.interval = duration_of(check->find("interval"));
  health.timeout = duration_of(check->find("timeout"));
  health.start_period = duration_of(check->find("start_period"));
  health.start_interval = duration_of(check->find("start_interval"));
  if (const Node* retries = check->find("retries")) {
    health.retries = static_cast<int>(integer_of(retries, 0));
    if (*health.retries < 0) error(*retries, "healthcheck.retries", "cannot be negative");
  }
  if (health.test.size() == 1 && health.test.front() != "NONE") {
    error(*check->find("test"), "healthcheck.test",
          fmt::format("{} needs a command after it", health.test.front()));
  }
  if (own != nullptr && !health.disabled) health.test = probe_of(*own);
  out.healthcheck = std::move(health);
}

// x-pcompose-probe: what the supervisor looks at itself, so that the image needs no program for it.
std::vector<std::string> ServiceDecoder::probe_of(const Node& node) {
  constexpr const char* kHow = "write {http: \"http://:8080/health\"} or {tcp: 5432}";
  if (node.entries.size() != 1) {
    error(node, "x-pcompose-probe", kHow);
    return {};
  }
  const Entry& entry = node.entries.front();
  const std::string& value = entry.value.text;
  if (entry.key == "http" && value.starts_with("http://")) return {"HTTP", value};
  auto port = parse_port_range(value);
  if (entry.key == "tcp" && port && port->first == port->second) return {"TCP", value};
  error(node, "x-pcompose-probe", kHow);
  return {};
}

// x-pcompose of a service.
void ServiceDecoder::own_extension(const Node& node, Service& out) {
  const Node* own = node.find("x-pcompose");
  if (own == nullptr) return;
  for (const Entry& entry : own->entries) {
    if (entry.key != "restart_unhealthy") {
      error(entry.value, below("x-pcompose", entry.key),
            "is not known; 'restart_unhealthy: true' is");
    } else if (!entry.value.is(Kind::boolean)) {
      error(entry.value, "x-pcompose.restart_unhealthy", "must be true or false");
    } else {
      out.restart_unhealthy = own->flag("restart_unhealthy");
    }
  }
}

// What says how a cluster would run it, as docker compose leaves it out, too.
void ServiceDecoder::without_effect(const Node& node) {
  for (std::string_view key : {"cpu_count", "cpu_percent"}) {
    if (const Node* written = node.find(key))
      diagnostics_.warning(written->origin, below(path_, key),
                           "is for Windows and has no effect on Linux; cpus limits processors");
  }
  const Node* refreshed = node.find("pull_refresh_after");
  if (refreshed != nullptr && node.text_of("pull_policy") != "refresh") {
    diagnostics_.warning(refreshed->origin, below(path_, "pull_refresh_after"),
                         "has no effect without pull_policy: refresh");
  }
  const Node* deploy = node.find("deploy");
  if (deploy == nullptr) return;
  for (std::string_view key :
       {"mode", "endpoint_mode", "labels", "update_config", "rollback_config", "placement"}) {
    const Node* written = deploy->find(key);
    if (written == nullptr || written->text == "replicated") continue;
    diagnostics_.warning(written->origin, below(path_, below("deploy", key)),
                         "is for a cluster and has no effect on one machine");
  }
  const Node* restart = deploy->find("restart_policy");
  for (std::string_view key : {"delay", "window"}) {
    const Node* written = restart == nullptr ? nullptr : restart->find(key);
    if (written == nullptr) continue;
    diagnostics_.warning(written->origin, below(path_, below("deploy.restart_policy", key)),
                         "has no effect: restarts wait 100 ms, doubling up to a minute");
  }
}

// deploy.replicas is the same thing under another name.
void ServiceDecoder::scale(const Node& node, Service& out) {
  if (out.deploy && out.deploy->replicas) out.scale = *out.deploy->replicas;
  out.scale = static_cast<int>(integer_of(node.find("scale"), out.scale));
}

// Where `restart` is silent deploy.restart_policy speaks, and then its default is "any".
void ServiceDecoder::deploy_restart(Service& out) {
  if (!out.deploy || !out.deploy->restart_policy) return;
  const DeployRestart& policy = *out.deploy->restart_policy;
  out.restart.kind = policy.condition == "none"         ? Restart::no
                     : policy.condition == "on-failure" ? Restart::on_failure
                                                        : Restart::always;
  out.restart.max_retries = policy.max_attempts;
}

void ServiceDecoder::restart(const Node& node, Service& out) {
  const Node* policy = node.find("restart");
  if (policy == nullptr) return deploy_restart(out);
  std::string_view text = policy->text;
  size_t colon = std::min(text.find(':'), text.size());
  std::string_view kind = text.substr(0, colon);
  std::string_view count = text.substr(std::min(colon + 1, text.size()));
  out.restart.kind = kind == "always"           ? Restart::always
                     : kind == "on-failure"     ? Restart::on_failure
                     : kind == "unless-stopped" ? Restart::unless_stopped
                                                : Restart::no;
  bool known = out.restart.kind != Restart::no || kind == "no" || kind.empty();
  auto retries = count.empty() ? std::optional<int64_t>(0) : parse_integer(count);
  bool countable = kind == "on-failure" ? retries && *retries >= 0 : colon == text.size();
  if (!known || !countable) {
    return error(
        *policy, "restart",
        fmt::format("\"{}\" is none of no, always, unless-stopped, on-failure, on-failure:N",
                    text));
  }
  out.restart.max_retries = static_cast<int>(*retries);
}

}  // namespace pcompose::compose
