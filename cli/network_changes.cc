// network create, rm, prune, connect, disconnect.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/network.h"
#include "scheduler/control_client.h"
#include "scheduler/namespaces.h"
#include "scheduler/network_view.h"

namespace pcompose::cli {
namespace {

struct CreateFlags {
  compose::Network network;
  std::vector<std::string> subnets, gateways, ranges, aux, options, labels;
  bool ipv6 = false;
  std::string ipv4;
};

std::pair<std::string, std::string> pair_of(const std::string& text, const char* what) {
  size_t equals = text.find('=');
  if (equals == 0) throw Error(fmt::format("\"{}\" is no {}", text, what)).hint("write KEY=VALUE");
  if (equals == std::string::npos) return {text, ""};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

bool of_family(const std::string& address, const std::string& subnet) {
  return (address.find(':') == std::string::npos) == (subnet.find(':') == std::string::npos);
}

// Gateways, ranges and further addresses belong to the subnet of their family.
void take_pools(CreateFlags& flags) {
  auto& pools = flags.network.pools;
  for (const std::string& subnet : flags.subnets) pools.push_back({subnet, "", "", {}});
  auto pool_for = [&](const std::string& address) -> compose::AddressPool& {
    for (auto& pool : pools) {
      if (of_family(address, pool.subnet)) return pool;
    }
    throw Error(address + " needs a subnet of its family").hint("add --subnet");
  };
  for (const std::string& gateway : flags.gateways) pool_for(gateway).gateway = gateway;
  for (const std::string& range : flags.ranges) pool_for(range).ip_range = range;
  for (const std::string& text : flags.aux) {
    auto [name, address] = pair_of(text, "further address");
    pool_for(address).aux_addresses[name] = address;
  }
}

int create(CreateFlags flags) {
  take_pools(flags);
  for (const std::string& text : flags.options) {
    flags.network.driver_opts.insert(pair_of(text, "option"));
  }
  for (const std::string& text : flags.labels) flags.network.labels.insert(pair_of(text, "label"));
  flags.network.enable_ipv6 = flags.ipv6;
  if (!flags.ipv4.empty()) flags.network.enable_ipv4 = flags.ipv4 == "true";
  fmt::print("{}\n", scheduler::make_network(Roots::from_environment(), flags.network));
  return 0;
}

int remove(const std::vector<std::string>& names, bool force) {
  int code = 0;
  for (const std::string& name : names) {
    try {
      scheduler::remove_network(Roots::from_environment(), name);
      fmt::print("{}\n", name);
    } catch (const Error& e) {
      bool missing = std::string(e.what()).find("not found") != std::string::npos;
      if (force && missing) continue;
      fmt::print(stderr, "{}\n", e.what());
      code = 1;
    }
  }
  return code;
}

int prune(bool force) {
  if (!force) {
    fmt::print(
        "WARNING! This will remove all networks not used by a project.\n"
        "Are you sure you want to continue? [y/N] ");
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "Y") return 0;
  }
  auto gone = scheduler::prune_networks(Roots::from_environment());
  if (!gone.empty()) fmt::print("Deleted Networks:\n");
  for (const std::string& name : gone) fmt::print("{}\n", name);
  return 0;
}

struct JoinFlags {
  std::string network, container, address, address6;
  std::vector<std::string> aliases, link_locals;
  int gw_priority = 0;
  bool force = false;
};

int call(const char* verb, const JoinFlags& flags) {
  Roots roots = Roots::from_environment();
  auto network = scheduler::find_network(roots, flags.network);
  auto place = scheduler::find_container(roots, flags.container);
  json::object body{{"network", network.name},
                    {"container", place.name},
                    {"address", flags.address},
                    {"address6", flags.address6},
                    {"aliases", to_array(flags.aliases)},
                    {"link_locals", to_array(flags.link_locals)},
                    {"gw_priority", flags.gw_priority}};
  scheduler::ControlClient client(roots, place.project);
  return report(client.call(
      std::string("/v1/network/") + verb, body, [](const json::object&) {},
      scheduler::Start::if_missing));
}

void add_create(CLI::App& network, Run& run) {
  auto flags = std::make_shared<CreateFlags>();
  CLI::App* c = network.add_subcommand("create", "Make a network that no project owns");
  c->add_option("-d,--driver", flags->network.driver, "bridge, macvlan or ipvlan");
  c->add_option("--subnet", flags->subnets, "10.5.0.0/16; one of each family")
      ->allow_extra_args(false);
  c->add_option("--gateway", flags->gateways, "Of a subnet")->allow_extra_args(false);
  c->add_option("--ip-range", flags->ranges, "Where addresses are given from")
      ->allow_extra_args(false);
  c->add_option("--aux-address", flags->aux, "NAME=ADDRESS that is never given")
      ->allow_extra_args(false);
  c->add_flag("--ipv6", flags->ipv6, "IPv6, too");
  c->add_option("--ipv4", flags->ipv4, "false: IPv6 only")->check(CLI::IsMember({"true", "false"}));
  c->add_flag("--internal", flags->network.internal, "No way out");
  c->add_flag("--attachable", flags->network.attachable, "Kept for docker's swarm");
  c->add_option("-o,--opt", flags->options, "KEY=VALUE for the driver")->allow_extra_args(false);
  c->add_option("--label", flags->labels, "KEY=VALUE")->allow_extra_args(false);
  c->add_option("name", flags->network.name, "Its name")->required();
  c->callback([&run, flags] {
    run = [flags] { return scheduler::run_inside([&] { return create(*flags); }); };
  });
}

void add_join(CLI::App& network, Run& run) {
  auto flags = std::make_shared<JoinFlags>();
  CLI::App* c = network.add_subcommand("connect", "Take a running container onto a network");
  c->add_option("--alias", flags->aliases, "A further name there")->allow_extra_args(false);
  c->add_option("--ip", flags->address, "Its IPv4 address");
  c->add_option("--ip6", flags->address6, "Its IPv6 address");
  c->add_option("--link-local-ip", flags->link_locals, "A further address")
      ->allow_extra_args(false);
  c->add_option("--gw-priority", flags->gw_priority, "Accepted: a later network takes no route");
  c->add_option("network", flags->network, "Name or id")->required();
  c->add_option("container", flags->container, "Name or id")->required();
  c->callback([&run, flags] { run = [flags] { return call("connect", *flags); }; });

  auto leave = std::make_shared<JoinFlags>();
  CLI::App* d = network.add_subcommand("disconnect", "Take a running container off a network");
  d->add_flag("-f,--force", leave->force, "Accepted");
  d->add_option("network", leave->network, "Name or id")->required();
  d->add_option("container", leave->container, "Name or id")->required();
  d->callback([&run, leave] { run = [leave] { return call("disconnect", *leave); }; });
}

}  // namespace

void add_network_changes(CLI::App& network, Run& run) {
  add_create(network, run);
  add_join(network, run);
  auto names = std::make_shared<std::vector<std::string>>();
  auto force = std::make_shared<bool>(false);
  CLI::App* rm =
      network.add_subcommand("rm", "Remove networks that nothing is on")->alias("remove");
  rm->add_flag("-f,--force", *force, "No error for one that does not exist");
  rm->add_option("networks", *names, "Names or ids")->required();
  rm->callback([&run, names, force] {
    run = [names, force] { return scheduler::run_inside([&] { return remove(*names, *force); }); };
  });
  auto sure = std::make_shared<bool>(false);
  CLI::App* p = network.add_subcommand("prune", "Remove all networks that no project uses");
  p->add_flag("-f,--force", *sure, "Do not ask");
  p->callback([&run, sure] {
    run = [sure] { return scheduler::run_inside([&] { return prune(*sure); }); };
  });
}

}  // namespace pcompose::cli
