// network ls, inspect: docker's forms.
#include "cli/network.h"

#include <algorithm>
#include <ctime>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/table.h"
#include "scheduler/network_view.h"

namespace pcompose::cli {
namespace {

using scheduler::NetworkView;

struct LsFlags {
  bool quiet = false, no_trunc = false;
  std::string format = "table";
  std::vector<std::string> filters;
};

std::string created_text(int64_t ns) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:09}Z", std::string_view(text, n), ns % 1'000'000'000);
}

std::string joined(const std::map<std::string, std::string>& labels) {
  std::string out;
  for (const auto& [key, value] : labels) out += (out.empty() ? "" : ",") + key + "=" + value;
  return out;
}

const char* word(bool value) { return value ? "true" : "false"; }

json::object line_of(const NetworkView& n) {
  return {{"CreatedAt", created_text(n.created_ns)},
          {"Driver", n.driver},
          {"ID", n.id},
          {"IPv4", word(n.ipv4)},
          {"IPv6", word(n.ipv6)},
          {"Internal", word(n.internal)},
          {"Labels", joined(n.labels)},
          {"Name", n.name},
          {"Scope", "local"}};
}

bool matches(const NetworkView& n, const std::string& filter) {
  size_t equals = filter.find('=');
  std::string key = filter.substr(0, equals);
  std::string value = equals == std::string::npos ? "" : filter.substr(equals + 1);
  if (key == "name") return n.name.find(value) != std::string::npos;
  if (key == "id") return n.id.starts_with(value);
  if (key == "driver") return n.driver == value;
  if (key == "dangling") return n.members.empty() == (value == "true" || value == "1");
  if (key == "label") {
    size_t inner = value.find('=');
    auto found = n.labels.find(value.substr(0, inner));
    return found != n.labels.end() &&
           (inner == std::string::npos || found->second == value.substr(inner + 1));
  }
  throw Error("invalid filter \"" + filter + "\"").hint("name=, id=, driver=, label=, dangling=");
}

int ls(const LsFlags& flags) {
  std::vector<std::vector<std::string>> rows = {{"NETWORK ID", "NAME", "DRIVER", "SCOPE"}};
  for (const auto& n : scheduler::view_networks(Roots::from_environment())) {
    bool wanted = std::ranges::all_of(flags.filters, [&](const auto& f) { return matches(n, f); });
    if (!wanted) continue;
    if (flags.quiet) {
      fmt::print("{}\n", n.id);
    } else if (flags.format == "json") {
      fmt::print("{}\n", json::serialize(line_of(n)));
    }
    rows.push_back({n.id, n.name, n.driver, "local"});
  }
  if (!flags.quiet && flags.format != "json") fmt::print("{}", format_table(rows));
  return 0;
}

json::object pool_json(const scheduler::NetworkPool& pool) {
  json::object out{{"Subnet", pool.subnet}, {"Gateway", pool.gateway}};
  if (!pool.ip_range.empty()) out["IPRange"] = pool.ip_range;
  if (!pool.aux.empty()) out["AuxiliaryAddresses"] = json::value_from(pool.aux);
  return out;
}

json::object inspect_json(const NetworkView& n) {
  json::array pools;
  for (const auto& pool : n.pools) pools.push_back(pool_json(pool));
  json::object members;
  for (const auto& m : n.members) {
    members[m.container] = json::object{{"Name", m.name},
                                        {"MacAddress", m.mac},
                                        {"IPv4Address", m.address},
                                        {"IPv6Address", m.address6}};
  }
  json::object ipam{
      {"Driver", "default"}, {"Options", json::object()}, {"Config", std::move(pools)}};
  return {{"Name", n.name},
          {"Id", n.id},
          {"Created", created_text(n.created_ns)},
          {"Scope", "local"},
          {"Driver", n.driver},
          {"EnableIPv4", n.ipv4},
          {"EnableIPv6", n.ipv6},
          {"IPAM", std::move(ipam)},
          {"Internal", n.internal},
          {"Attachable", n.attachable},
          {"Ingress", false},
          {"Containers", std::move(members)},
          {"Options", json::value_from(n.options)},
          {"Labels", json::value_from(n.labels)},
          {"Project", n.project},
          {"Bridge", n.driver == "bridge" ? n.bridge : ""}};
}

int inspect(const std::vector<std::string>& names) {
  json::array out;
  int code = 0;
  for (const std::string& name : names) {
    try {
      out.push_back(inspect_json(scheduler::find_network(Roots::from_environment(), name)));
    } catch (const Error& e) {
      fmt::print(stderr, "{}\n", e.what());
      code = 1;
    }
  }
  fmt::print("{}\n", json::serialize(out));
  return code;
}

}  // namespace

void add_network(CLI::App& app, Globals&, Run& run) {
  CLI::App* network = app.add_subcommand("network", "List, make and change networks");
  network->require_subcommand(1);
  auto flags = std::make_shared<LsFlags>();
  CLI::App* list = network->add_subcommand("ls", "List networks")->alias("list");
  list->add_flag("-q,--quiet", flags->quiet, "Only ids");
  list->add_flag("--no-trunc", flags->no_trunc, "Accepted: ids are short");
  list->add_option("--format", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  list->add_option("-f,--filter", flags->filters, "name=, id=, driver=, label=, dangling=")
      ->allow_extra_args(false);
  list->callback([&run, flags] { run = [flags] { return ls(*flags); }; });

  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* one = network->add_subcommand("inspect", "Everything about networks, as JSON");
  one->add_option("networks", *names, "Names or ids")->required();
  one->callback([&run, names] { run = [names] { return inspect(*names); }; });
  add_network_changes(*network, run);
}

}  // namespace pcompose::cli
