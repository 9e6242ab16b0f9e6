// The fields of attributes.h, by the names they have in compose files.
#pragma once

#include <concepts>
#include <type_traits>

#include "compose/attributes.h"

namespace pcompose::compose {

// T is the struct or a const one: one list of names serves reading, writing and decoding.
template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Grant>
void fields(A& a, T& v) {
  a.field("source", v.source);
  a.field("target", v.target);
  a.field("uid", v.uid);
  a.field("gid", v.gid);
  a.field("mode", v.mode);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Ulimit>
void fields(A& a, T& v) {
  a.field("soft", v.soft);
  a.field("hard", v.hard);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Device>
void fields(A& a, T& v) {
  a.field("source", v.source);
  a.field("target", v.target);
  a.field("permissions", v.permissions);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, DeviceRequest>
void fields(A& a, T& v) {
  a.field("capabilities", v.capabilities);
  a.field("count", v.count);
  a.field("device_ids", v.device_ids);
  a.field("driver", v.driver);
  a.field("options", v.options);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Hook>
void fields(A& a, T& v) {
  a.field("command", v.command);
  a.field("image", v.image);
  a.field("user", v.user);
  a.field("privileged", v.privileged);
  a.field("working_dir", v.working_dir);
  a.field("environment", v.environment);
  a.field("per_replica", v.per_replica);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Logging>
void fields(A& a, T& v) {
  a.field("driver", v.driver);
  a.field("options", v.options);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, DeviceWeight>
void fields(A& a, T& v) {
  a.field("path", v.path);
  a.field("weight", v.weight);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, DeviceRate>
void fields(A& a, T& v) {
  a.field("path", v.path);
  a.field("rate", v.rate);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, BlkioConfig>
void fields(A& a, T& v) {
  a.field("weight", v.weight);
  a.field("weight_device", v.weight_device);
  a.field("device_read_bps", v.device_read_bps);
  a.field("device_read_iops", v.device_read_iops);
  a.field("device_write_bps", v.device_write_bps);
  a.field("device_write_iops", v.device_write_iops);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, CredentialSpec>
void fields(A& a, T& v) {
  a.field("config", v.config);
  a.field("file", v.file);
  a.field("registry", v.registry);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Provider>
void fields(A& a, T& v) {
  a.field("type", v.type);
  a.field("options", v.options);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, ServiceModel>
void fields(A& a, T& v) {
  a.field("endpoint_var", v.endpoint_var);
  a.field("model_var", v.model_var);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Build>
void fields(A& a, T& v) {
  a.field("context", v.context);
  a.field("dockerfile", v.dockerfile);
  a.field("dockerfile_inline", v.dockerfile_inline);
  a.field("args", v.args);
  a.field("target", v.target);
  a.field("labels", v.labels);
  a.field("tags", v.tags);
  a.field("no_cache", v.no_cache);
  a.field("no_cache_filter", v.no_cache_filter);
  a.field("pull", v.pull);
  a.field("cache_from", v.cache_from);
  a.field("cache_to", v.cache_to);
  a.field("additional_contexts", v.additional_contexts);
  a.field("extra_hosts", v.extra_hosts);
  a.field("network", v.network);
  a.field("secrets", v.secrets);
  a.field("ssh", v.ssh);
  a.field("shm_size", v.shm_size);
  a.field("ulimits", v.ulimits);
  a.field("privileged", v.privileged);
  a.field("entitlements", v.entitlements);
  a.field("isolation", v.isolation);
  a.field("platforms", v.platforms);
  a.field("provenance", v.provenance);
  a.field("sbom", v.sbom);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, UpdateConfig>
void fields(A& a, T& v) {
  a.field("parallelism", v.parallelism);
  a.field("delay", v.delay);
  a.field("failure_action", v.failure_action);
  a.field("monitor", v.monitor);
  a.field("max_failure_ratio", v.max_failure_ratio);
  a.field("order", v.order);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, ResourceLimits>
void fields(A& a, T& v) {
  a.field("cpus", v.cpus);
  a.field("memory", v.memory);
  a.field("pids", v.pids);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, DiscreteResource>
void fields(A& a, T& v) {
  a.field("kind", v.kind);
  a.field("value", v.value);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, GenericResource>
void fields(A& a, T& v) {
  a.field("discrete_resource_spec", v.discrete_resource_spec);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Reservations>
void fields(A& a, T& v) {
  a.field("cpus", v.cpus);
  a.field("memory", v.memory);
  a.field("generic_resources", v.generic_resources);
  a.field("devices", v.devices);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Resources>
void fields(A& a, T& v) {
  a.field("limits", v.limits);
  a.field("reservations", v.reservations);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, DeployRestart>
void fields(A& a, T& v) {
  a.field("condition", v.condition);
  a.field("delay", v.delay);
  a.field("window", v.window);
  a.field("max_attempts", v.max_attempts);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, PlacementPreference>
void fields(A& a, T& v) {
  a.field("spread", v.spread);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Placement>
void fields(A& a, T& v) {
  a.field("constraints", v.constraints);
  a.field("preferences", v.preferences);
  a.field("max_replicas_per_node", v.max_replicas_per_node);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Deploy>
void fields(A& a, T& v) {
  a.field("mode", v.mode);
  a.field("endpoint_mode", v.endpoint_mode);
  a.field("replicas", v.replicas);
  a.field("labels", v.labels);
  a.field("update_config", v.update_config);
  a.field("rollback_config", v.rollback_config);
  a.field("resources", v.resources);
  a.field("restart_policy", v.restart_policy);
  a.field("placement", v.placement);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, WatchRule>
void fields(A& a, T& v) {
  a.field("path", v.path);
  a.field("action", v.action);
  a.field("target", v.target);
  a.field("ignore", v.ignore);
  a.field("include", v.include);
  a.field("exec", v.exec);
  a.field("initial_sync", v.initial_sync);
  a.field("position", v.position);
}

template <class A, class T>
  requires std::same_as<std::remove_const_t<T>, Develop>
void fields(A& a, T& v) {
  a.field("watch", v.watch);
}

}  // namespace pcompose::compose
