#include "compose/json.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "compose/json_archive.h"

namespace pcompose::compose {

template <>
struct EnumWords<MountType> {
  static constexpr std::array<std::string_view, 3> words{"volume", "bind", "tmpfs"};
};
template <>
struct EnumWords<Condition> {
  static constexpr std::array<std::string_view, 3> words{"service_started", "service_healthy",
                                                         "service_completed_successfully"};
};
template <>
struct EnumWords<Restart> {
  static constexpr std::array<std::string_view, 4> words{"no", "always", "on-failure",
                                                         "unless-stopped"};
};
template <>
struct EnumWords<Severity> {
  static constexpr std::array<std::string_view, 2> words{"error", "warning"};
};

// T is the struct or a const one: one list of names for both directions.
template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Port>
void fields(A& a, T& v) {
  a.field("host_ip", v.host_ip);
  a.field("published", v.published);
  a.field("published_end", v.published_end);
  a.field("target", v.target);
  a.always("protocol", v.protocol);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Mount>
void fields(A& a, T& v) {
  a.always("type", v.type);
  a.field("source", v.source);
  a.field("target", v.target);
  a.field("read_only", v.read_only);
  a.always("create_host_path", v.create_host_path);
  a.field("nocopy", v.nocopy);
  a.field("propagation", v.propagation);
  a.field("tmpfs_size", v.tmpfs_size);
  a.field("tmpfs_mode", v.tmpfs_mode);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Dependency>
void fields(A& a, T& v) {
  a.field("service", v.service);
  a.always("condition", v.condition);
  a.field("restart", v.restart);
  a.always("required", v.required);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, HealthCheck>
void fields(A& a, T& v) {
  a.field("disabled", v.disabled);
  a.field("test", v.test);
  a.field("interval_ms", v.interval);
  a.field("timeout_ms", v.timeout);
  a.field("start_period_ms", v.start_period);
  a.field("start_interval_ms", v.start_interval);
  a.field("retries", v.retries);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, RestartPolicy>
void fields(A& a, T& v) {
  a.always("kind", v.kind);
  a.field("max_retries", v.max_retries);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, ServiceNetwork>
void fields(A& a, T& v) {
  a.field("network", v.network);
  a.field("aliases", v.aliases);
  a.field("ipv4_address", v.ipv4_address);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Service>
void fields(A& a, T& v) {
  a.field("name", v.name);
  a.field("image", v.image);
  a.field("container_name", v.container_name);
  a.field("command", v.command);
  a.field("entrypoint", v.entrypoint);
  a.field("environment", v.environment);
  a.field("ports", v.ports);
  a.field("expose", v.expose);
  a.field("volumes", v.volumes);
  a.field("networks", v.networks);
  a.field("network_mode", v.network_mode);
  a.field("depends_on", v.depends_on);
  a.field("healthcheck", v.healthcheck);
  a.always("restart", v.restart);
  a.field("init", v.init);
  a.field("tty", v.tty);
  a.field("stdin_open", v.stdin_open);
  a.field("read_only", v.read_only);
  a.field("user", v.user);
  a.field("working_dir", v.working_dir);
  a.field("hostname", v.hostname);
  a.field("stop_signal", v.stop_signal);
  a.field("stop_grace_period_ms", v.stop_grace_period);
  a.field("labels", v.labels);
  a.field("profiles", v.profiles);
  a.always("scale", v.scale);
  a.field("position", v.position);
  a.field("origins", v.origins);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Network>
void fields(A& a, T& v) {
  a.field("key", v.key);
  a.field("name", v.name);
  a.field("external", v.external);
  a.field("internal", v.internal);
  a.always("driver", v.driver);
  a.field("subnet", v.subnet);
  a.field("gateway", v.gateway);
  a.field("labels", v.labels);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Volume>
void fields(A& a, T& v) {
  a.field("key", v.key);
  a.field("name", v.name);
  a.field("external", v.external);
  a.always("driver", v.driver);
  a.field("labels", v.labels);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Diagnostic>
void fields(A& a, T& v) {
  a.field("position", v.position);
  a.field("path", v.path);
  a.field("message", v.message);
  a.always("severity", v.severity);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Project>
void fields(A& a, T& v) {
  a.field("name", v.name);
  a.field("working_dir", v.working_dir);
  a.field("config_files", v.config_files);
  a.field("profiles", v.profiles);
  a.field("services", v.services);
  a.field("disabled_services", v.disabled_services);
  a.field("networks", v.networks);
  a.field("volumes", v.volumes);
  a.field("warnings", v.warnings);
}

std::string position_text(const Position& position) {
  return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

Position position_from_text(std::string_view text) {
  Position out;
  for (int* number : {&out.column, &out.line}) {
    size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) throw Error("no position: \"" + std::string(text) + "\"");
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), *number);
    text = text.substr(0, colon);
  }
  out.file = std::string(text);
  return out;
}

json::value to_json(const Project& project) { return Writer::make(project); }
json::value to_json(const Service& service) { return Writer::make(service); }

Project project_from_json(const json::value& value) {
  Project out;
  Reader reader(value);
  fields(reader, out);
  return out;
}

Service service_from_json(const json::value& value) {
  Service out;
  Reader reader(value);
  fields(reader, out);
  return out;
}

}  // namespace pcompose::compose
