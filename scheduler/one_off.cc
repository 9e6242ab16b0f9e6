#include "scheduler/one_off.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "compose/dotenv.h"
#include "compose/mount_syntax.h"
#include "compose/port_syntax.h"
#include "compose/shell_words.h"

namespace pcompose::scheduler {
namespace {

using compose::Service;

void set_command(Service& service, const OneOffOptions& options) {
  if (!options.command.empty()) service.command = options.command;
  if (!options.entrypoint) return;
  auto words = compose::split_words(*options.entrypoint);
  if (!words) throw Error("--entrypoint: " + words.error());
  service.entrypoint = words->words;
  // What the service's command said was meant for its own entrypoint.
  service.command = options.command;
}

void set_environment(Service& service, const OneOffOptions& options,
                     const compose::Lookup& lookup) {
  for (const auto& [path, content] : options.env_files) {
    for (const auto& v : compose::parse_dotenv(content, path, lookup))
      service.environment[v.name] = v.value;
  }
  for (const std::string& text : options.environment) {
    size_t equals = text.find('=');
    std::string name = text.substr(0, equals);
    if (name.empty()) throw Error("--env \"" + text + "\" has no name").hint("write NAME=VALUE");
    service.environment[name] =
        equals == std::string::npos ? lookup(name) : text.substr(equals + 1);
  }
}

compose::Mount mount_of(const compose::Project& project, const std::string& text,
                        const std::string& directory) {
  auto spec = compose::parse_mount(text);
  if (!spec) throw Error("--volume \"" + text + "\": " + spec.error());
  compose::Mount mount;
  mount.target = spec->target;
  mount.source = spec->source;
  if (spec->bind()) {
    mount.type = compose::MountType::bind;
    std::filesystem::path path = spec->source;
    const char* home = std::getenv("HOME");
    if (spec->source.starts_with("~") && home != nullptr) path = home + spec->source.substr(1);
    mount.source = (std::filesystem::path(directory) / path).lexically_normal().string();
  } else if (!spec->source.empty() && !project.volumes.contains(spec->source)) {
    throw Error("--volume \"" + text + "\": the project has no volume " + spec->source)
        .hint("declare it under volumes:, or write ./" + spec->source + " for a directory");
  }
  for (const std::string& option : spec->options) {
    if (option == "ro") mount.read_only = true;
    if (option == "nocopy") mount.nocopy = true;
    if (option == "z" || option == "Z") mount.selinux = option;
    if (option.ends_with("shared") || option.ends_with("slave") || option.ends_with("private"))
      mount.propagation = option;
  }
  return mount;
}

void add_volumes(Service& service, const compose::Project& project, const OneOffOptions& options,
                 const std::string& directory) {
  for (const std::string& text : options.volumes) {
    compose::Mount mount = mount_of(project, text, directory);
    std::erase_if(service.volumes, [&](const auto& m) { return m.target == mount.target; });
    service.volumes.push_back(std::move(mount));
  }
}

compose::Port port_of(const compose::PortSpec& spec, const std::string& text) {
  compose::Port port;
  port.host_ip = spec.host_ip;
  port.target = spec.target;
  port.protocol = spec.protocol;
  if (spec.published.empty()) return port;
  auto range = compose::parse_port_range(spec.published);
  if (!range) throw Error("--publish \"" + text + "\": " + spec.published + " is no port");
  port.published = range->first;
  port.published_end = range->second > range->first ? range->second : 0;
  return port;
}

void set_ports(Service& service, const OneOffOptions& options) {
  if (!options.service_ports) service.ports.clear();
  for (const std::string& text : options.publish) {
    auto specs = compose::parse_port(text);
    if (!specs) throw Error("--publish \"" + text + "\": " + specs.error());
    for (const auto& spec : *specs) service.ports.push_back(port_of(spec, text));
  }
}

// A replica may have them already.
void drop_identity(Service& service, const OneOffOptions& options) {
  service.mac_address.clear();
  for (auto& network : service.networks) {
    network.ipv4_address.clear();
    network.ipv6_address.clear();
    network.mac_address.clear();
    if (!options.use_aliases) network.aliases.clear();
    if (options.use_aliases) network.aliases.push_back(service.name);
  }
}

void add_labels(Service& service, const std::vector<std::string>& labels) {
  for (const std::string& text : labels) {
    size_t equals = text.find('=');
    service.labels[text.substr(0, equals)] =
        equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  service.labels[kOneOffLabel] = "True";
}

}  // namespace

Service one_off(const compose::Project& project, const std::string& service,
                const OneOffOptions& options, const compose::Lookup& lookup,
                const std::string& suffix, const std::string& directory) {
  auto found = project.services.find(service);
  if (found == project.services.end()) throw Error("no such service: " + service);
  Service out = found->second;
  const std::string& between = project.separator;
  out.container_name = options.name.empty()
                           ? project.name + between + service + between + "run" + between + suffix
                           : options.name;
  out.scale = 1;
  out.restart = {};
  if (out.deploy) out.deploy->restart_policy.reset();
  if (options.no_deps) out.depends_on.clear();
  set_command(out, options);
  set_environment(out, options, lookup);
  add_volumes(out, project, options, directory);
  set_ports(out, options);
  drop_identity(out, options);
  add_labels(out, options.labels);
  if (!options.user.empty()) out.user = options.user;
  if (!options.working_dir.empty()) out.working_dir = options.working_dir;
  out.cap_add.insert(out.cap_add.end(), options.cap_add.begin(), options.cap_add.end());
  out.cap_drop.insert(out.cap_drop.end(), options.cap_drop.begin(), options.cap_drop.end());
  out.tty = options.terminal;
  out.stdin_open = options.interactive;
  return out;
}

}  // namespace pcompose::scheduler
