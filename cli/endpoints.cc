#include "cli/endpoints.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/table.h"
#include "compose/port_syntax.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::PublishedPort;

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

// What to write into a browser on this machine.
std::string local_address(const PublishedPort& p) {
  PublishedPort shown = p;
  if (p.url == "0.0.0.0") shown.url = "127.0.0.1";
  if (p.url == "::") shown.url = "::1";
  return shown.address();
}

// Ports whose number says what is spoken there; others are left without a scheme.
std::string url_of(const PublishedPort& p) {
  if (p.protocol != "tcp") return "";
  constexpr std::array<uint16_t, 7> kWeb = {80, 3000, 5000, 8000, 8008, 8080, 9090};
  constexpr std::array<uint16_t, 2> kSecure = {443, 8443};
  if (std::ranges::find(kSecure, p.target) != kSecure.end()) return "https://" + local_address(p);
  if (std::ranges::find(kWeb, p.target) != kWeb.end()) return "http://" + local_address(p);
  return "";
}

json::object as_json(const scheduler::ContainerView& v, const PublishedPort& p) {
  json::object out{
      {"Service", v.row.service},    {"Container", v.row.name},
      {"Protocol", p.protocol},      {"HostIP", p.url},
      {"HostPort", p.published},     {"TargetPort", p.target},
      {"Address", local_address(p)}, {"Reachable", is_loopback(p.url) ? "host" : "network"}};
  std::string url = url_of(p);
  if (!url.empty()) out["URL"] = url;
  return out;
}

int endpoints(const Globals& globals, const std::string& format) {
  auto views = scheduler::view_project(Roots::from_environment(), project_name(globals));
  json::array list;
  std::vector<std::vector<std::string>> rows = {
      {"SERVICE", "CONTAINER", "ADDRESS", "TARGET", "REACHABLE FROM"}};
  for (const auto& v : views) {
    for (const PublishedPort& p : v.ports) {
      if (p.published == 0) continue;
      list.push_back(as_json(v, p));
      std::string url = url_of(p);
      rows.push_back({v.row.service, v.row.name, url.empty() ? local_address(p) : url,
                      fmt::format("{}/{}", p.target, p.protocol),
                      is_loopback(p.url) ? "this host" : "the network"});
    }
  }
  fmt::print("{}", format == "json" ? json::serialize(list) + "\n" : format_table(rows));
  return 0;
}

}  // namespace

void bind_ports(compose::Project& project) {
  const char* bind = std::getenv("PCOMPOSE_BIND");
  if (bind == nullptr || *bind == '\0') return;
  if (!compose::is_ip_address(bind)) {
    throw Error(fmt::format("PCOMPOSE_BIND: \"{}\" is no IP address", bind))
        .hint("PCOMPOSE_BIND=127.0.0.1 keeps ports to this host");
  }
  for (auto& [name, service] : project.services) {
    for (compose::Port& port : service.ports) {
      if (port.host_ip.empty()) port.host_ip = bind;
    }
  }
}

void show_reachable_ports(const Roots& roots, const compose::Project& project) {
  bool any =
      std::ranges::any_of(project.services, [](const auto& s) { return !s.second.ports.empty(); });
  if (!any) return;
  std::set<std::string> open;  // both families of a port are one to the reader
  for (const auto& v : scheduler::view_project(roots, project.name)) {
    for (const PublishedPort& p : v.ports) {
      if (p.published == 0 || is_loopback(p.url)) continue;
      open.insert(fmt::format("{} on {}/{}", v.row.service, p.published, p.protocol));
    }
  }
  if (open.empty()) return;
  std::string text;
  for (const std::string& one : open) text += (text.empty() ? "" : ", ") + one;
  fmt::print(stderr,
             " Reachable from outside: {} (PCOMPOSE_BIND=127.0.0.1 keeps them to this host)\n",
             text);
}

void add_endpoints(CLI::App& app, Globals& globals, Run& run) {
  auto format = std::make_shared<std::string>("table");
  CLI::App* c = app.add_subcommand("endpoints", "List the published addresses of all services");
  c->add_option("--format", *format, "table or json")->check(CLI::IsMember({"table", "json"}));
  c->callback([&globals, &run, format] {
    run = [&globals, format] { return endpoints(globals, *format); };
  });
}

}  // namespace pcompose::cli
