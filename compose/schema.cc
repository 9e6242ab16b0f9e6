#include "compose/schema.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

using enum Form;
constexpr Support kNo = Support::not_yet;
constexpr Support kYes = Support::yes;

template <size_t N>
using Table = std::array<Attribute, N>;
using Names = std::string_view;

constexpr Object one(Names name, std::span<const Attribute> attributes,
                     std::span<const Names> required = {}) {
  return {name, attributes, required};
}

// --- parts of a service -------------------------------------------------------------------------

constexpr auto kHealth = std::to_array<Attribute>({{"test", health_test},
                                                   {"timeout", duration},
                                                   {"interval", duration},
                                                   {"retries", integer},
                                                   {"start_period", duration},
                                                   {"start_interval", duration},
                                                   {"disable", boolean}});
constexpr Object kHealthObject = one("healthcheck", kHealth);

constexpr auto kPort = std::to_array<Attribute>({{"name", string},
                                                 {"mode", string},
                                                 {"host_ip", string},
                                                 {"target", integer},
                                                 {"published", text},
                                                 {"protocol", string},
                                                 {"app_protocol", string}});
constexpr auto kPortRequired = std::to_array<Names>({"target"});
constexpr Object kPortObject = one("port", kPort, kPortRequired);

constexpr auto kBind = std::to_array<Attribute>(
    {{"selinux", choice, kYes, nullptr, "z Z"},
     {"propagation", choice, kYes, nullptr, "rprivate private rshared shared rslave slave"},
     {"create_host_path", boolean},
     {"recursive", choice, kYes, nullptr, "enabled disabled writable readonly"}});
constexpr auto kMountVolume =
    std::to_array<Attribute>({{"labels", labels}, {"nocopy", boolean}, {"subpath", string}});
constexpr auto kTmpfs = std::to_array<Attribute>({{"size", bytes}, {"mode", octal}});
constexpr auto kMountImage = std::to_array<Attribute>({{"subpath", string}});
constexpr Object kBindObject = one("bind", kBind);
constexpr Object kMountVolumeObject = one("volume", kMountVolume);
constexpr Object kTmpfsObject = one("tmpfs", kTmpfs);
constexpr Object kMountImageObject = one("image", kMountImage);
constexpr auto kMount = std::to_array<Attribute>(
    {{"type", choice, kYes, nullptr, "bind volume tmpfs image npipe cluster"},
     {"source", string},
     {"target", string},
     {"read_only", boolean},
     {"consistency", string},
     {"bind", object, kYes, &kBindObject},
     {"volume", object, kYes, &kMountVolumeObject},
     {"tmpfs", object, kYes, &kTmpfsObject},
     {"image", object, kYes, &kMountImageObject}});
constexpr auto kMountRequired = std::to_array<Names>({"type"});
constexpr Object kMountObject = one("mount", kMount, kMountRequired);

constexpr auto kMembership = std::to_array<Attribute>({{"aliases", unique},
                                                       {"driver_opts", text_map},
                                                       {"gw_priority", integer},
                                                       {"interface_name", string},
                                                       {"ipv4_address", string},
                                                       {"ipv6_address", string},
                                                       {"link_local_ips", unique},
                                                       {"mac_address", string},
                                                       {"priority", integer}});
constexpr Object kMembershipObject = one("network of a service", kMembership);

constexpr auto kDependency =
    std::to_array<Attribute>({{"condition", choice, kYes, nullptr,
                               "service_started service_healthy service_completed_successfully "
                               "service_listening"},
                              {"restart", boolean},
                              {"required", boolean}});
constexpr auto kDependencyRequired = std::to_array<Names>({"condition"});
constexpr Object kDependencyObject = one("dependency", kDependency, kDependencyRequired);

constexpr auto kEnvFile = std::to_array<Attribute>(
    {{"path", path}, {"required", boolean}, {"format", choice, kYes, nullptr, "raw"}});
constexpr auto kEnvFileRequired = std::to_array<Names>({"path"});
constexpr Object kEnvFileObject = one("env_file", kEnvFile, kEnvFileRequired);

constexpr auto kGrant = std::to_array<Attribute>(
    {{"source", string}, {"target", string}, {"uid", string}, {"gid", string}, {"mode", octal}});
constexpr Object kGrantObject = one("grant", kGrant);

constexpr auto kUlimit = std::to_array<Attribute>({{"soft", integer}, {"hard", integer}});
constexpr auto kUlimitRequired = std::to_array<Names>({"soft", "hard"});
constexpr Object kUlimitObject = one("ulimit", kUlimit, kUlimitRequired);

constexpr auto kDevice =
    std::to_array<Attribute>({{"source", string}, {"target", string}, {"permissions", string}});
constexpr auto kDeviceRequired = std::to_array<Names>({"source"});
constexpr Object kDeviceObject = one("device", kDevice, kDeviceRequired);

constexpr auto kRequest = std::to_array<Attribute>({{"capabilities", strings},
                                                    {"driver", string},
                                                    {"count", any},
                                                    {"device_ids", strings},
                                                    {"options", labels}});
constexpr auto kRequestRequired = std::to_array<Names>({"capabilities"});
constexpr Object kRequestObject = one("device request", kRequest, kRequestRequired);
constexpr Object kGpuObject = one("device request", kRequest);  // a GPU is what it can do

constexpr auto kHook = std::to_array<Attribute>({{"command", command},
                                                 {"image", string},
                                                 {"user", string},
                                                 {"privileged", boolean},
                                                 {"working_dir", string},
                                                 {"environment", environment},
                                                 {"per_replica", boolean}});
constexpr auto kHookRequired = std::to_array<Names>({"command"});
constexpr Object kHookObject = one("hook", kHook, kHookRequired);
constexpr Object kPreStartObject = one("hook", kHook);  // its image says what to run

constexpr auto kLogging = std::to_array<Attribute>({{"driver", string}, {"options", text_map}});
constexpr Object kLoggingObject = one("logging", kLogging);

constexpr auto kRateBytes = std::to_array<Attribute>({{"path", string}, {"rate", bytes}});
constexpr auto kDeviceWeight = std::to_array<Attribute>({{"path", string}, {"weight", integer}});
constexpr Object kRateObject = one("device rate", kRateBytes);
constexpr Object kDeviceWeightObject = one("device weight", kDeviceWeight);
constexpr auto kBlkio =
    std::to_array<Attribute>({{"weight", integer},
                              {"weight_device", objects, kYes, &kDeviceWeightObject},
                              {"device_read_bps", objects, kYes, &kRateObject},
                              {"device_read_iops", objects, kYes, &kRateObject},
                              {"device_write_bps", objects, kYes, &kRateObject},
                              {"device_write_iops", objects, kYes, &kRateObject}});
constexpr Object kBlkioObject = one("blkio_config", kBlkio);

constexpr auto kCredential =
    std::to_array<Attribute>({{"config", string}, {"file", string}, {"registry", string}});
constexpr Object kCredentialObject = one("credential_spec", kCredential);
constexpr auto kProvider = std::to_array<Attribute>({{"type", string}, {"options", any}});
constexpr auto kProviderRequired = std::to_array<Names>({"type"});
constexpr Object kProviderObject = one("provider", kProvider, kProviderRequired);
constexpr auto kServiceModel =
    std::to_array<Attribute>({{"endpoint_var", string}, {"model_var", string}});
constexpr Object kServiceModelObject = one("model of a service", kServiceModel);
constexpr auto kExtends = std::to_array<Attribute>({{"file", string}, {"service", string}});
constexpr auto kExtendsRequired = std::to_array<Names>({"service"});
constexpr Object kExtendsObject = one("extends", kExtends, kExtendsRequired);

// --- build --------------------------------------------------------------------------------------

constexpr auto kBuild = std::to_array<Attribute>({{"context", string},
                                                  {"dockerfile", string},
                                                  {"dockerfile_inline", string},
                                                  {"entitlements", strings},
                                                  {"args", environment},
                                                  {"provenance", text},
                                                  {"sbom", text},
                                                  {"ssh", any},
                                                  {"labels", labels},
                                                  {"cache_from", strings},
                                                  {"cache_to", strings},
                                                  {"no_cache", boolean},
                                                  {"no_cache_filter", string_or_list},
                                                  {"additional_contexts", contexts},
                                                  {"pull", boolean},
                                                  {"extra_hosts", extra_hosts},
                                                  {"isolation", string},
                                                  {"network", string},
                                                  {"target", string},
                                                  {"secrets", grants, kYes, &kGrantObject},
                                                  {"shm_size", bytes},
                                                  {"tags", unique},
                                                  {"ulimits", ulimits, kYes, &kUlimitObject},
                                                  {"platforms", strings},
                                                  {"privileged", boolean}});
constexpr Object kBuildObject = one("build", kBuild);

// --- deploy -------------------------------------------------------------------------------------

constexpr auto kUpdate =
    std::to_array<Attribute>({{"parallelism", integer},
                              {"delay", duration},
                              {"failure_action", string},
                              {"monitor", duration},
                              {"max_failure_ratio", number},
                              {"order", choice, kYes, nullptr, "start-first stop-first"}});
constexpr Object kUpdateObject = one("update_config", kUpdate);
constexpr auto kLimits =
    std::to_array<Attribute>({{"cpus", number}, {"memory", bytes}, {"pids", integer}});
constexpr Object kLimitsObject = one("limits", kLimits);
constexpr auto kDiscrete = std::to_array<Attribute>({{"kind", string}, {"value", number}});
constexpr Object kDiscreteObject = one("discrete_resource_spec", kDiscrete);
constexpr auto kGeneric =
    std::to_array<Attribute>({{"discrete_resource_spec", object, kYes, &kDiscreteObject}});
constexpr Object kGenericObject = one("generic_resource", kGeneric);
constexpr auto kReservations =
    std::to_array<Attribute>({{"cpus", number},
                              {"memory", bytes},
                              {"devices", device_requests, kYes, &kRequestObject},
                              {"generic_resources", objects, kNo, &kGenericObject}});
constexpr Object kReservationsObject = one("reservations", kReservations);
constexpr auto kResources =
    std::to_array<Attribute>({{"limits", object, kYes, &kLimitsObject},
                              {"reservations", object, kYes, &kReservationsObject}});
constexpr Object kResourcesObject = one("resources", kResources);
constexpr auto kRestart = std::to_array<Attribute>(
    {{"condition", string}, {"delay", duration}, {"max_attempts", integer}, {"window", duration}});
constexpr Object kRestartObject = one("restart_policy", kRestart);
constexpr auto kSpread = std::to_array<Attribute>({{"spread", string}});
constexpr Object kSpreadObject = one("preference", kSpread);
constexpr auto kPlacement =
    std::to_array<Attribute>({{"constraints", strings},
                              {"preferences", objects, kYes, &kSpreadObject},
                              {"max_replicas_per_node", integer}});
constexpr Object kPlacementObject = one("placement", kPlacement);
constexpr auto kDeploy =
    std::to_array<Attribute>({{"mode", string},
                              {"replicas", integer},
                              {"labels", labels},
                              {"update_config", object, kYes, &kUpdateObject},
                              {"rollback_config", object, kYes, &kUpdateObject},
                              {"resources", object, kYes, &kResourcesObject},
                              {"restart_policy", object, kYes, &kRestartObject},
                              {"placement", object, kYes, &kPlacementObject},
                              {"endpoint_mode", string}});
constexpr Object kDeployObject = one("deploy", kDeploy);

// --- develop ------------------------------------------------------------------------------------

constexpr auto kWatch = std::to_array<Attribute>(
    {{"path", path},
     {"action", choice, kYes, nullptr, "rebuild sync restart sync+restart sync+exec"},
     {"target", string},
     {"exec", object, kYes, &kHookObject},
     {"include", string_or_list},
     {"ignore", string_or_list},
     {"initial_sync", boolean}});
constexpr auto kWatchRequired = std::to_array<Names>({"path", "action"});
constexpr Object kWatchObject = one("watch", kWatch, kWatchRequired);
constexpr auto kDevelop = std::to_array<Attribute>({{"watch", objects, kYes, &kWatchObject}});
constexpr Object kDevelopObject = one("develop", kDevelop);

// --- service ------------------------------------------------------------------------------------

constexpr auto kService = std::to_array<Attribute>({
    {"profiles", unique},
    {"annotations", labels},
    {"attach", boolean},
    {"build", build, kNo, &kBuildObject},
    {"develop", object, kYes, &kDevelopObject},  // what `watch` does; for nobody else
    {"blkio_config", object, kYes, &kBlkioObject},
    {"cap_add", unique},
    {"cap_drop", unique},
    {"cgroup_parent", string},
    {"cgroup", choice, kYes, nullptr, "host private"},
    {"cpu_count", integer},
    {"cpu_percent", number},
    {"cpu_period", integer},
    {"cpu_quota", integer},
    {"cpu_rt_period", integer},
    {"cpu_rt_runtime", integer},
    {"cpus", number},
    {"cpuset", string},
    {"cpu_shares", integer},
    {"command", command},
    {"configs", grants, kYes, &kGrantObject},
    {"container_name", string},
    {"credential_spec", object, kYes, &kCredentialObject},
    {"depends_on", depends_on, kYes, &kDependencyObject},
    {"deploy", object, kYes, &kDeployObject},
    {"device_cgroup_rules", strings},
    {"devices", devices, kYes, &kDeviceObject},
    {"dns", string_or_list},
    {"dns_opt", string_or_list},
    {"dns_search", string_or_list},
    {"domainname", string},
    {"entrypoint", command},
    {"provider", object, kNo, &kProviderObject},
    {"environment", environment},
    {"env_file", env_file, kYes, &kEnvFileObject},
    {"expose", texts},
    {"extends", extends, kYes, &kExtendsObject},
    {"external_links", unique},
    {"extra_hosts", extra_hosts},
    {"group_add", texts},
    {"gpus", device_requests, kYes, &kGpuObject},
    {"hostname", string},
    {"healthcheck", object, kYes, &kHealthObject},
    {"image", string},
    {"init", boolean},
    {"ipc", string},
    {"isolation", string},
    {"labels", labels},
    {"label_file", paths},
    {"links", unique},
    {"logging", logging, kYes, &kLoggingObject},
    {"mem_limit", bytes},
    {"mem_reservation", bytes},
    {"memswap_limit", bytes},
    {"mem_swappiness", bytes},
    {"mac_address", string},
    {"models", models, kNo, &kServiceModelObject},
    {"network_mode", string},
    {"networks", memberships, kYes, &kMembershipObject},
    {"oom_kill_disable", boolean},
    {"oom_score_adj", integer},
    {"pid", string},
    {"pids_limit", integer},
    {"platform", string},
    {"ports", ports, kYes, &kPortObject},
    {"privileged", boolean},
    {"pull_policy", string},
    {"pull_refresh_after", string},
    {"read_only", boolean},
    {"restart", string},
    {"runtime", string, kYes},
    {"scale", integer},
    {"secrets", grants, kYes, &kGrantObject},
    {"security_opt", strings},
    {"shm_size", bytes},
    {"stdin_open", boolean},
    {"stop_grace_period", duration},
    {"stop_signal", string},
    {"storage_opt", any},
    {"sysctls", labels},
    {"tmpfs", string_or_list},
    {"tty", boolean},
    {"ulimits", ulimits, kYes, &kUlimitObject},
    {"use_api_socket", boolean, kNo},
    {"user", string},
    {"userns_mode", string},
    {"uts", string},
    {"volumes", mounts, kYes, &kMountObject},
    {"volumes_from", unique},
    {"working_dir", string},
    {"pre_start", objects, kYes, &kPreStartObject},
    {"post_start", objects, kYes, &kHookObject},
    {"pre_stop", objects, kYes, &kHookObject},
});
constexpr Object kServiceObject = one("service", kService);

// --- top level ----------------------------------------------------------------------------------

constexpr auto kPool = std::to_array<Attribute>(
    {{"subnet", string}, {"gateway", string}, {"ip_range", string}, {"aux_addresses", text_map}});
constexpr Object kPoolObject = one("ipam config", kPool);
constexpr auto kIpam = std::to_array<Attribute>(
    {{"driver", string}, {"config", ipam_pools, kYes, &kPoolObject}, {"options", text_map}});
constexpr Object kIpamObject = one("ipam", kIpam);
constexpr auto kNetwork = std::to_array<Attribute>({{"name", string},
                                                    {"driver", string},
                                                    {"driver_opts", text_map},
                                                    {"ipam", object, kYes, &kIpamObject},
                                                    {"external", external},
                                                    {"internal", boolean},
                                                    {"attachable", boolean},
                                                    {"labels", labels},
                                                    {"enable_ipv4", boolean},
                                                    {"enable_ipv6", boolean}});
constexpr Object kNetworkObject = one("network", kNetwork);
constexpr auto kVolume = std::to_array<Attribute>({{"name", string},
                                                   {"driver", string},
                                                   {"driver_opts", text_map},
                                                   {"external", external},
                                                   {"labels", labels}});
constexpr Object kVolumeObject = one("volume", kVolume);
constexpr auto kSecret = std::to_array<Attribute>({{"name", string},
                                                   {"file", path},
                                                   {"environment", string},
                                                   {"external", external},
                                                   {"labels", labels},
                                                   {"driver", string},
                                                   {"driver_opts", text_map},
                                                   {"template_driver", string}});
constexpr Object kSecretObject = one("secret", kSecret);
constexpr auto kConfig = std::to_array<Attribute>({{"name", string},
                                                   {"file", path},
                                                   {"environment", string},
                                                   {"content", string},
                                                   {"external", external},
                                                   {"labels", labels},
                                                   {"template_driver", string}});
constexpr Object kConfigObject = one("config", kConfig);
constexpr auto kModel = std::to_array<Attribute>(
    {{"name", string}, {"model", string}, {"context_size", integer}, {"runtime_flags", strings}});
constexpr auto kModelRequired = std::to_array<Names>({"model"});
constexpr Object kModelObject = one("model", kModel, kModelRequired);
constexpr auto kInclude = std::to_array<Attribute>(
    {{"path", string_or_list}, {"env_file", string_or_list}, {"project_directory", string}});
constexpr Object kIncludeObject = one("include", kInclude);

constexpr auto kFile = std::to_array<Attribute>({{"version", string},
                                                 {"name", string},
                                                 {"services", services, kYes, &kServiceObject},
                                                 {"networks", named, kYes, &kNetworkObject},
                                                 {"volumes", named, kYes, &kVolumeObject},
                                                 {"secrets", named, kYes, &kSecretObject},
                                                 {"configs", named, kYes, &kConfigObject},
                                                 {"models", named, kNo, &kModelObject},
                                                 {"include", include, kYes, &kIncludeObject}});
constexpr Object kFileObject = one("compose file", kFile);

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, change});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

const Attribute* Object::find(std::string_view attribute) const {
  const auto* it = std::ranges::find(attributes, attribute, &Attribute::name).base();
  return it == attributes.data() + attributes.size() ? nullptr : it;
}

const Object& file_schema() { return kFileObject; }
const Object& service_schema() { return kServiceObject; }

std::string suggestion(const Object& object, std::string_view written) {
  if (written.size() > 40) return "";
  const Attribute* best = nullptr;
  size_t best_distance = std::min<size_t>(3, 1 + written.size() / 3);
  for (const Attribute& attribute : object.attributes) {
    size_t distance = edit_distance(written, attribute.name);
    if (distance < best_distance) {
      best = &attribute;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : fmt::format(" (did you mean '{}'?)", best->name);
}

}  // namespace pcompose::compose
