// The fields of the Project's structs, once for reading, writing and decoding.
#pragma once

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>

#include "compose/attribute_fields.h"
#include "compose/json_archive.h"
#include "compose/project.h"

namespace pcompose::compose {

template <>
struct EnumWords<MountType> {
  static constexpr std::array<std::string_view, 6> words{"volume", "bind",  "tmpfs",
                                                         "image",  "npipe", "cluster"};
};
template <>
struct EnumWords<Condition> {
  static constexpr std::array<std::string_view, 4> words{
      "service_started", "service_healthy", "service_completed_successfully", "service_listening"};
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
  a.field("mode", v.mode);
  a.field("name", v.name);
  a.field("app_protocol", v.app_protocol);
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
  a.field("volume_labels", v.volume_labels);
  a.field("subpath", v.subpath);
  a.field("propagation", v.propagation);
  a.field("recursive", v.recursive);
  a.field("selinux", v.selinux);
  a.field("consistency", v.consistency);
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
  a.field("ipv6_address", v.ipv6_address);
  a.field("link_local_ips", v.link_local_ips);
  a.field("mac_address", v.mac_address);
  a.field("interface_name", v.interface_name);
  a.field("driver_opts", v.driver_opts);
  a.field("priority", v.priority);
  a.field("gw_priority", v.gw_priority);
  a.field("position", v.position);
}

// The process and what it may do.
template <class A, class T>
void process_fields(A& a, T& v) {
  a.field("user", v.user);
  a.field("working_dir", v.working_dir);
  a.field("hostname", v.hostname);
  a.field("domainname", v.domainname);
  a.field("stop_signal", v.stop_signal);
  a.field("init", v.init);
  a.field("tty", v.tty);
  a.field("stdin_open", v.stdin_open);
  a.field("read_only", v.read_only);
  a.field("privileged", v.privileged);
  a.field("group_add", v.group_add);
  a.field("cap_add", v.cap_add);
  a.field("cap_drop", v.cap_drop);
  a.field("security_opt", v.security_opt);
  a.field("ulimits", v.ulimits);
  a.field("sysctls", v.sysctls);
  a.field("oom_score_adj", v.oom_score_adj);
  a.field("oom_kill_disable", v.oom_kill_disable);
}

// Namespaces, devices, files.
template <class A, class T>
void isolation_fields(A& a, T& v) {
  a.field("ipc", v.ipc);
  a.field("pid", v.pid);
  a.field("uts", v.uts);
  a.field("userns_mode", v.userns_mode);
  a.field("cgroup", v.cgroup);
  a.field("cgroup_parent", v.cgroup_parent);
  a.field("isolation", v.isolation);
  a.field("devices", v.devices);
  a.field("device_cgroup_rules", v.device_cgroup_rules);
  a.field("gpus", v.gpus);
  a.field("volumes_from", v.volumes_from);
  a.field("shm_size", v.shm_size);
  a.field("storage_opt", v.storage_opt);
  a.field("secrets", v.secrets);
  a.field("configs", v.configs);
}

// Resources.
template <class A, class T>
void resource_fields(A& a, T& v) {
  a.field("cpus", v.cpus);
  a.field("cpu_count", v.cpu_count);
  a.field("cpu_percent", v.cpu_percent);
  a.field("cpu_period", v.cpu_period);
  a.field("cpu_quota", v.cpu_quota);
  a.field("cpu_rt_period", v.cpu_rt_period);
  a.field("cpu_rt_runtime", v.cpu_rt_runtime);
  a.field("cpu_shares", v.cpu_shares);
  a.field("cpuset", v.cpuset);
  a.field("mem_limit", v.mem_limit);
  a.field("mem_reservation", v.mem_reservation);
  a.field("memswap_limit", v.memswap_limit);
  a.field("mem_swappiness", v.mem_swappiness);
  a.field("pids_limit", v.pids_limit);
  a.field("blkio_config", v.blkio_config);
}

// Names, origin, the way it is run.
template <class A, class T>
void run_fields(A& a, T& v) {
  a.field("dns", v.dns);
  a.field("dns_opt", v.dns_opt);
  a.field("dns_search", v.dns_search);
  a.field("extra_hosts", v.extra_hosts);
  a.field("links", v.links);
  a.field("external_links", v.external_links);
  a.field("mac_address", v.mac_address);
  a.field("build", v.build);
  a.field("platform", v.platform);
  a.field("pull_policy", v.pull_policy);
  a.field("pull_refresh_after", v.pull_refresh_after);
  a.field("runtime", v.runtime);
  a.field("labels", v.labels);
  a.field("annotations", v.annotations);
  a.field("attach", v.attach);
  a.field("logging", v.logging);
  a.field("pre_start", v.pre_start);
  a.field("post_start", v.post_start);
  a.field("pre_stop", v.pre_stop);
  a.field("deploy", v.deploy);
  a.field("develop", v.develop);
  a.field("provider", v.provider);
  a.field("models", v.models);
  a.field("credential_spec", v.credential_spec);
  a.field("use_api_socket", v.use_api_socket);
}

// What a service holds under the very names of the attributes.
template <class A, class T>
void plain_service_fields(A& a, T& v) {
  process_fields(a, v);
  isolation_fields(a, v);
  resource_fields(a, v);
  run_fields(a, v);
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
  a.field("restart_unhealthy", v.restart_unhealthy);
  a.field("stop_grace_period_ms", v.stop_grace_period);
  a.field("profiles", v.profiles);
  a.always("scale", v.scale);
  plain_service_fields(a, v);
  a.field("position", v.position);
  a.field("origins", v.origins);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, AddressPool>
void fields(A& a, T& v) {
  a.field("subnet", v.subnet);
  a.field("gateway", v.gateway);
  a.field("ip_range", v.ip_range);
  a.field("aux_addresses", v.aux_addresses);
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
  a.field("pools", v.pools);
  a.field("ipam_driver", v.ipam_driver);
  a.field("ipam_options", v.ipam_options);
  a.field("driver_opts", v.driver_opts);
  a.field("enable_ipv4", v.enable_ipv4);
  a.field("enable_ipv6", v.enable_ipv6);
  a.field("attachable", v.attachable);
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
  a.field("driver_opts", v.driver_opts);
  a.field("labels", v.labels);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Material>
void fields(A& a, T& v) {
  a.field("key", v.key);
  a.field("name", v.name);
  a.field("file", v.file);
  a.field("environment", v.environment);
  a.field("content", v.content);
  a.field("external", v.external);
  a.field("driver", v.driver);
  a.field("template_driver", v.template_driver);
  a.field("driver_opts", v.driver_opts);
  a.field("labels", v.labels);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, LanguageModel>
void fields(A& a, T& v) {
  a.field("key", v.key);
  a.field("name", v.name);
  a.field("model", v.model);
  a.field("context_size", v.context_size);
  a.field("runtime_flags", v.runtime_flags);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Step>
void fields(A& a, T& v) {
  a.field("how", v.how);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Diagnostic>
void fields(A& a, T& v) {
  a.field("position", v.position);
  a.field("path", v.path);
  a.field("message", v.message);
  a.always("severity", v.severity);
  a.field("via", v.via);
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
  a.field("secrets", v.secrets);
  a.field("configs", v.configs);
  a.field("models", v.models);
  a.field("separator", v.separator);
  a.field("lenient_limits", v.lenient_limits);
  a.field("pod", v.pod);
  a.field("pod_pid", v.pod_pid);
  a.field("warnings", v.warnings);
}

}  // namespace pcompose::compose
