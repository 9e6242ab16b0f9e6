#include "scheduler/describe_container.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <sched.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/mount_points.h"
#include "engine/runtime/names.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr uint64_t kShmBytes = 64U << 20U;

void set_variable(std::vector<std::string>& env, const std::string& name,
                  const std::string& value) {
  std::erase_if(env, [&](const std::string& e) { return e.starts_with(name + "="); });
  env.push_back(name + "=" + value);
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& e) {
    return e.starts_with(name) && e.size() > name.size() && e[name.size()] == '=';
  });
}

// As names stand in queries and in the table.
std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ::tolower);
  return text;
}

engine::Mount own_file(const std::string& source, const std::string& target) {
  engine::Mount m;
  m.type = "bind";
  m.source = source;
  m.destination = target;
  m.recursive = false;
  m.is_file = true;
  return m;
}

std::optional<uint16_t> port_number(std::string_view text) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "80", "80/tcp", "8000-8010/tcp"
void add_tcp_ports(const std::string& text, std::vector<uint16_t>& out) {
  std::string_view range = text;
  size_t slash = range.find('/');
  if (slash != std::string_view::npos && range.substr(slash) != "/tcp") return;
  range = range.substr(0, slash);
  size_t dash = range.find('-');
  auto first = port_number(range.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : port_number(range.substr(dash + 1));
  if (!first || !last) return;
  for (uint32_t p = *first; p <= *last; ++p) out.push_back(static_cast<uint16_t>(p));
}

}  // namespace

std::vector<std::string> command_of(const compose::Service& service,
                                    const engine::ImageConfig& image) {
  std::vector<std::string> out = service.entrypoint ? *service.entrypoint : image.entrypoint;
  std::vector<std::string> command;
  if (service.command) command = *service.command;
  // An entrypoint of the service drops the image's command, which was meant for the image's
  // entrypoint.
  if (!service.command && !service.entrypoint) command = image.cmd;
  out.insert(out.end(), command.begin(), command.end());
  if (service.init && !out.empty()) out.insert(out.begin(), {"/sbin/docker-init", "--"});
  return out;
}

std::vector<std::string> environment_of(const compose::Service& service,
                                        const engine::ImageConfig& image,
                                        const std::string& hostname, const std::string& home) {
  std::vector<std::string> env = image.env;
  if (!has_variable(env, "PATH")) env.insert(env.begin(), kDefaultPath);
  set_variable(env, "HOSTNAME", hostname);
  if (service.tty && !has_variable(env, "TERM")) env.push_back("TERM=xterm");
  for (const auto& [name, value] : service.environment) {
    if (value) {
      set_variable(env, name, *value);
    } else {
      std::erase_if(env,
                    [&name = name](const std::string& e) { return e.starts_with(name + "="); });
    }
  }
  if (!has_variable(env, "HOME")) env.push_back("HOME=" + (home.empty() ? "/" : home));
  return env;
}

void put_variable(std::vector<std::string>& environment, const std::string& variable) {
  std::string name = variable.substr(0, variable.find('=') + 1);
  std::erase_if(environment, [&](const std::string& e) { return e.starts_with(name); });
  environment.push_back(variable);
}

std::string hostname_of(const compose::Service& service, const std::string& container_id) {
  return service.hostname.empty() ? container_id.substr(0, 12) : service.hostname;
}

engine::ContainerSpec describe_container(const compose::Service& service,
                                         const engine::Image& image,
                                         const std::string& container_id,
                                         const ContainerPaths& paths) {
  engine::ContainerSpec spec;
  spec.hostname = hostname_of(service, container_id);
  spec.root = {.links = paths.links,
               .lower = image.layers,
               .mount_points = engine::kMountPoints,
               .upper = paths.state + "/upper",
               .work = paths.state + "/work",
               .path = paths.mountpoint,
               .readonly = service.read_only};
  spec.domainname = service.domainname;
  spec.mounts = engine::default_mounts(
      service.shm_size > 0 ? static_cast<uint64_t>(service.shm_size) : kShmBytes);
  for (const char* file : {"hosts", "hostname", "resolv.conf"}) {
    spec.mounts.push_back(own_file(paths.run + "/" + file, std::string("/etc/") + file));
  }
  spec.linux.new_namespaces =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  spec.linux.masked_paths = engine::default_masked_paths();
  spec.linux.readonly_paths = engine::default_readonly_paths();
  engine::Process& p = spec.process;
  p.args = command_of(service, image.config);
  p.cwd = !service.working_dir.empty() ? service.working_dir : image.config.working_dir;
  if (p.cwd.empty()) p.cwd = "/";
  p.terminal = service.tty;
  return spec;
}

std::string hosts_file(const std::string& hostname,
                       const std::vector<netns::EndpointRow>& endpoints, const std::string& extra) {
  std::string out = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" + extra;
  for (const auto& e : endpoints) {
    if (e.address) out += e.address->str() + "\t" + hostname + "\n";
    if (e.address6) out += e.address6->str() + "\t" + hostname + "\n";
  }
  return out;
}

std::string extra_hosts_of(const compose::Service& service, const std::string& host_address) {
  std::string out;
  for (size_t i = 0; i < service.extra_hosts.size(); ++i) {
    const std::string& text = service.extra_hosts[i];
    size_t equals = text.find('=');
    std::string name = text.substr(0, equals), address = text.substr(equals + 1);
    if (address == "host-gateway") address = host_address;
    if (address.empty()) {
      throw Error("extra_hosts: the container has no way to the host that " + name + " could name")
          .at(service.origin("extra_hosts"));
    }
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    out += address + "\t" + name + "\n";
  }
  return out;
}

std::string resolv_file(const compose::Service& service, bool own_dns, const std::string& of_host) {
  std::string out;
  if (own_dns) out = "nameserver 127.0.0.11\n";
  if (!own_dns && service.dns.empty()) out = of_host;
  if (!own_dns)
    for (const std::string& server : service.dns) out += "nameserver " + server + "\n";
  if (!service.dns_search.empty()) {
    out += "search";
    for (const std::string& domain : service.dns_search) out += " " + domain;
    out += "\n";
  }
  // ndots:0 as docker has it: busybox nslookup stops at the first search domain's NXDOMAIN
  // otherwise.
  std::vector<std::string> options = service.dns_opt;
  bool dots = std::any_of(options.begin(), options.end(),
                          [](const std::string& o) { return o.starts_with("ndots:"); });
  if (own_dns && !dots) options.emplace_back("ndots:0");
  if (!options.empty()) {
    out += "options";
    for (const std::string& option : options) out += " " + option;
    out += "\n";
  }
  return out;
}

NameTable::Own own_names_of(const compose::Service& service) {
  NameTable::Own own;
  for (const auto* list : {&service.links, &service.external_links}) {
    for (const std::string& link : *list) {
      size_t colon = link.find(':');
      if (colon == std::string::npos) continue;  // the name itself
      own.links[lower(link.substr(colon + 1))] = lower(link.substr(0, colon));
    }
  }
  for (const std::string& text : service.dns) {
    boost::system::error_code bad;
    auto address = asio::ip::make_address(text, bad);
    if (bad) throw Error("dns: \"" + text + "\" is no address").at(service.origin("dns"));
    own.servers.push_back(address);
  }
  return own;
}

std::optional<Probe> probe_of(const compose::Service& service, const engine::ImageConfig& image) {
  compose::HealthCheck check = service.healthcheck.value_or(compose::HealthCheck{});
  engine::ImageHealthCheck inherited = image.healthcheck.value_or(engine::ImageHealthCheck{});
  if (check.disabled) return std::nullopt;
  std::vector<std::string> test = check.test.empty() ? inherited.test : check.test;
  if (test.empty() || test[0] == "NONE") return std::nullopt;
  Probe probe;
  if (test[0] == "HTTP" || test[0] == "TCP")
    probe.kind = test[0] == "HTTP" ? Probe::Kind::http : Probe::Kind::tcp;
  if (test[0] == "CMD-SHELL") {
    probe.args = {"/bin/sh", "-c", test.size() > 1 ? test[1] : ""};
  } else {
    probe.args.assign(test.begin() + 1, test.end());
  }
  auto choose = [](auto own, auto image_value, Duration& target) {
    if (own && own->count() > 0) {
      target = *own;
    } else if (image_value && image_value->count() > 0) {
      target = *image_value;
    }
  };
  HealthSettings& s = probe.settings;
  choose(check.interval, inherited.interval, s.interval);
  choose(check.timeout, inherited.timeout, s.timeout);
  choose(check.start_period, inherited.start_period, s.start_period);
  choose(check.start_interval, inherited.start_interval, s.start_interval);
  int retries = check.retries.value_or(inherited.retries.value_or(0));
  if (retries > 0) s.retries = retries;
  return probe;
}

int signal_number(const std::string& name) {
  if (auto number = engine::runtime::signal_number(name)) return *number;
  throw Error("no signal is called " + name).hint("write a name such as SIGTERM or a number");
}

int stop_signal_of(const compose::Service& service, const engine::ImageConfig& image) {
  if (!service.stop_signal.empty()) return signal_number(service.stop_signal);
  return image.stop_signal.empty() ? SIGTERM : signal_number(image.stop_signal);
}

std::vector<uint16_t> exposed_tcp_ports(const compose::Service& service,
                                        const engine::ImageConfig& image) {
  std::vector<uint16_t> out;
  for (const std::string& text : service.expose) add_tcp_ports(text, out);
  for (const std::string& text : image.exposed_ports) add_tcp_ports(text, out);
  for (const auto& port : service.ports) {
    if (port.protocol == "tcp") out.push_back(port.target);
  }
  return out;
}

}  // namespace pcompose::scheduler
