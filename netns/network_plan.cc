#include "netns/network_plan.h"

#include <algorithm>
#include <charconv>

namespace pcompose::netns {
namespace {

constexpr int kShortestSubnet = 8;
constexpr int kLongestSubnet = 30;  // a gateway and one container
constexpr int kShortestSubnet6 = 16;
constexpr int kLongestSubnet6 = 126;
constexpr int kLeastMtu = 68;  // RFC 791; IPv6 needs 1280 (RFC 8200)
constexpr int kMostMtu = 65535;

bool truth(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw Error("driver_opts." + key + ": \"" + value + "\" is neither true nor false");
}

int mtu_of(const std::string& value) {
  int out = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  bool whole = error == std::errc() && end == value.data() + value.size();
  if (!whole || out < kLeastMtu || out > kMostMtu) {
    throw Error("driver_opts: \"" + value + "\" is no MTU (68 to 65535)");
  }
  return out;
}

std::string link_name(const std::string& key, const std::string& value) {
  bool good = !value.empty() && value.size() < 16 && value != "." && value != ".." &&
              std::ranges::all_of(
                  value,
                  [](char c) {
                    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                           c == '-' || c == '.';
                  });
  if (good) return value;
  throw Error("driver_opts." + key + ": \"" + value + "\" is no name of a link")
      .hint("1 to 15 of letters, digits, '_', '-', '.'");
}

// As docker's drivers name them; what they do not know they leave alone, and so do we.
void take_option(NetworkPlan& plan, const std::string& key, const std::string& value) {
  NetworkOptions& o = plan.options;
  if (key == "com.docker.network.bridge.name") plan.bridge = link_name(key, value);
  if (key == "com.docker.network.bridge.enable_icc") o.talk = truth(key, value);
  if (key == "com.docker.network.bridge.enable_ip_masquerade") o.masquerade = truth(key, value);
  if (key == "com.docker.network.driver.mtu" || key == "mtu") o.mtu = mtu_of(value);
  if (key == "com.docker.network.container_iface_prefix") {
    o.interface_prefix = link_name(key, value);
  }
  if (key == "com.docker.network.bridge.host_binding_ipv4") {
    if (!Ipv4::parse(value)) throw Error("driver_opts." + key + ": no IPv4 address");
    o.host_binding = value;
  }
  if (key == "parent") o.parent = link_name(key, value);
  if (key == "macvlan_mode" || key == "ipvlan_mode") o.mode = value;
}

void take_pool4(NetworkPlan& plan, const PoolSpec& pool, const Prefix& subnet) {
  if (subnet.length < kShortestSubnet || subnet.length > kLongestSubnet) {
    throw Error("the subnet " + subnet.str() + " must have between 8 and 30 bits");
  }
  plan.subnet = subnet;
  if (!pool.gateway.empty()) {
    auto gateway = Ipv4::parse(pool.gateway);
    if (!gateway || !subnet.contains(*gateway) || *gateway == subnet.base ||
        *gateway == subnet.last()) {
      throw Error("the gateway \"" + pool.gateway + "\" is not an address of " + subnet.str());
    }
    plan.gateway = gateway;
  }
  if (pool.ip_range.empty()) return;
  plan.options.range = Prefix::parse(pool.ip_range);
  if (!plan.options.range || !subnet.contains(plan.options.range->base) ||
      plan.options.range->length < subnet.length) {
    throw Error("the range \"" + pool.ip_range + "\" is not a part of " + subnet.str());
  }
}

void take_pool6(NetworkPlan& plan, const PoolSpec& pool, const Prefix6& subnet) {
  if (subnet.length < kShortestSubnet6 || subnet.length > kLongestSubnet6) {
    throw Error("the subnet " + subnet.str() + " must have between 16 and 126 bits");
  }
  plan.subnet6 = subnet;
  if (!pool.gateway.empty()) {
    plan.gateway6 = Ipv6::parse(pool.gateway);
    if (!plan.gateway6 || !subnet.contains(*plan.gateway6) || *plan.gateway6 == subnet.base) {
      throw Error("the gateway \"" + pool.gateway + "\" is not an address of " + subnet.str());
    }
  }
  if (pool.ip_range.empty()) return;
  plan.options.range6 = Prefix6::parse(pool.ip_range);
  if (!plan.options.range6 || !subnet.contains(plan.options.range6->base) ||
      plan.options.range6->length < subnet.length) {
    throw Error("the range \"" + pool.ip_range + "\" is not a part of " + subnet.str());
  }
}

void take_aux(NetworkPlan& plan, const PoolSpec& pool) {
  for (const auto& [name, text] : pool.aux) {
    auto address = Ip::parse(text);
    bool inside = address && (address->v4() != nullptr
                                  ? plan.subnet && plan.subnet->contains(*address->v4())
                                  : plan.subnet6 && plan.subnet6->contains(*address->v6()));
    if (!inside) {
      throw Error("the aux address " + name + " \"" + text + "\" is not one of " + pool.subnet);
    }
    plan.options.aux[name] = address->str();
  }
}

// A pool without a subnet says nothing, as docker compose takes it.
void take_pool(NetworkPlan& plan, const PoolSpec& pool) {
  if (pool.subnet.empty() && pool.gateway.empty() && pool.ip_range.empty()) return;
  if (pool.subnet.empty()) {
    throw Error("the gateway or range of an address pool needs its subnet").hint("add subnet:");
  }
  auto v4 = Prefix::parse(pool.subnet);
  auto v6 = Prefix6::parse(pool.subnet);
  if (!v4 && !v6) throw Error("\"" + pool.subnet + "\" is not a subnet").hint("write 10.5.0.0/16");
  if ((v4 && plan.subnet) || (v6 && plan.subnet6)) {
    throw Error("a network has one subnet of each family, and " + pool.subnet + " is a second one");
  }
  if (v4) take_pool4(plan, pool, *v4);
  if (v6) take_pool6(plan, pool, *v6);
  take_aux(plan, pool);
}

Driver driver_of(const std::string& name) {
  if (name.empty() || name == "bridge") return Driver::bridge;
  if (name == "macvlan") return Driver::macvlan;
  if (name == "ipvlan") return Driver::ipvlan;
  throw Error("there is no network driver " + name).hint("use bridge, macvlan or ipvlan");
}

void check_families(const NetworkSpec& spec, const NetworkPlan& plan) {
  if (!spec.ipv4 && !spec.ipv6) {
    throw Error("the network has neither IPv4 nor IPv6").hint("set enable_ipv6: true");
  }
  if (!spec.ipv4 && plan.subnet) {
    throw Error("the network has the subnet " + plan.subnet->str() + " and enable_ipv4: false");
  }
  if (plan.options.mtu > 0 && plan.options.mtu < 1280 && spec.ipv6) {
    throw Error("IPv6 needs an MTU of 1280 at least");
  }
}

}  // namespace

NetworkPlan plan_network(const NetworkSpec& spec) {
  NetworkPlan plan;
  plan.options.driver = driver_of(spec.driver);
  plan.options.attachable = spec.attachable;
  plan.options.written = spec.driver_opts;
  for (const auto& [key, value] : spec.driver_opts) take_option(plan, key, value);
  for (const PoolSpec& pool : spec.pools) take_pool(plan, pool);
  // Docker uses an IPv6 pool only with enable_ipv6.
  if (!spec.ipv6) plan.subnet6.reset();
  check_families(spec, plan);
  if (plan.options.driver == Driver::bridge) return plan;
  if (plan.options.parent.empty()) {
    throw Error("a network of the driver " + spec.driver + " needs a link of the host")
        .hint("write it as driver_opts: {parent: eth0}");
  }
  if (spec.ipv4 && !plan.subnet) {
    throw Error("a network of the driver " + spec.driver + " needs the subnet of its parent's LAN")
        .hint("write it as ipam: {config: [{subnet: …, gateway: …}]}");
  }
  return plan;
}

std::string difference(const NetworkRow& row, const NetworkSpec& spec) {
  NetworkPlan plan = plan_network(spec);
  if (plan.subnet && *plan.subnet != row.subnet) return "the subnet " + plan.subnet->str();
  if (plan.gateway && *plan.gateway != row.gateway) return "the gateway " + plan.gateway->str();
  if (plan.subnet6 && plan.subnet6 != row.subnet6) return "the subnet " + plan.subnet6->str();
  if (plan.gateway6 && *plan.gateway6 != row.gateway6) return "the gateway " + plan.gateway6->str();
  if (spec.ipv6 != row.subnet6.has_value()) return spec.ipv6 ? "IPv6" : "no IPv6";
  if (spec.ipv4 != row.ipv4) return spec.ipv4 ? "IPv4" : "no IPv4";
  if (spec.reach != row.reach) return spec.reach == Reach::internal ? "no way out" : "a way out";
  if (plan.options.range != row.options.range || plan.options.range6 != row.options.range6) {
    return "another ip_range";
  }
  if (plan.options.aux != row.options.aux) return "other aux_addresses";
  if (plan.options.driver != row.options.driver) return "the driver " + spec.driver;
  if (plan.options.written != row.options.written) return "other driver_opts";
  // Those of a project that only shares it do not count.
  if (row.project == spec.project && row.labels != spec.labels) return "other labels";
  return "";
}

}  // namespace pcompose::netns
