// Health: probes inside the container, or of ours in its network namespace.
#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory_file.h"
#include "netns/listeners.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only

namespace {

constexpr size_t kProbeOutput = 4096;  // what docker keeps
constexpr size_t kResultsKept = 5;     // the same
constexpr const char* kLate = "health check exceeded its timeout";

// "http://[host][:port]/path": what we need of it. The host is the container, whatever it is
// called.
struct ProbeUrl {
  std::string host = "localhost", path = "/";
  uint16_t port = 80;
};

ProbeUrl split_url(const std::string& url) {
  ProbeUrl out;
  std::string rest = url.substr(std::string("http://").size());
  size_t slash = std::min(rest.find('/'), rest.size());
  if (slash < rest.size()) out.path = rest.substr(slash);
  std::string authority = rest.substr(0, slash);
  size_t colon = authority.rfind(':');
  if (colon != std::string::npos)
    out.port = static_cast<uint16_t>(std::strtoul(authority.c_str() + colon + 1, nullptr, 10));
  if (colon > 0 && !authority.empty()) out.host = authority.substr(0, colon);
  return out;
}

std::string rfc3339(int64_t ns) { return engine::format_time(static_cast<uint64_t>(ns)); }

}  // namespace

Task<> Replica::open_diag() {
  if (network_ && !diag_) diag_ = co_await context_.networks->open_diag(network_.duplicate());
}

HealthMonitor::Listening Replica::listens_beyond_loopback() {
  using Listening = HealthMonitor::Listening;
  auto ports = exposed_tcp_ports(service_, image_.config);
  if (ports.empty() || !diag_) return Listening::yes;
  for (const auto& l : netns::listeners(diag_.get())) {
    bool exposed = std::find(ports.begin(), ports.end(), l.port) != ports.end();
    if (exposed && l.exposure == netns::Exposure::beyond) return Listening::yes;
  }
  return Listening::no;
}

Task<bool> Replica::is_listening() {
  co_await open_diag();
  if (listens_beyond_loopback() == HealthMonitor::Listening::no) co_return false;
  if (!told_listening_) tell("listening");
  told_listening_ = true;
  co_return true;
}

Task<Replica::ProbeResult> Replica::run_probe_command() {
  Fd output = memory_file("probe");
  ExecRequest request;
  request.args = probe_->args;
  request.probe = true;
  request.stdio[1] = request.stdio[2] = output.get();
  auto process = co_await exec(request);
  co_await (process->ended.wait() || sleep_for(probe_->settings.timeout));
  if (!process->ended.is_set()) {
    process->pidfd.send_signal(SIGKILL);
    co_return ProbeResult{-1, kLate};
  }
  std::string text(kProbeOutput, '\0');
  ssize_t n = ::pread(output.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (!process->status) co_return ProbeResult{1, "its keeper died", false};
  co_return ProbeResult{process->status->code(), text};
}

Task<Replica::ProbeResult> Replica::probe_address(asio::ip::tcp::endpoint address,
                                                  const std::string& url) {
  namespace http = boost::beast::http;
  int family = address.address().is_v4() ? AF_INET : AF_INET6;
  Fd fd = co_await context_.networks->open_tcp(network_.duplicate(), family);
  asio::ip::tcp::socket socket(context_.executor, address.protocol(), fd.release());
  co_await socket.async_connect(address, asio::use_awaitable);
  if (url.empty()) co_return ProbeResult{0, fmt::format("connected to port {}", address.port())};
  ProbeUrl parts = split_url(url);
  http::request<http::empty_body> request(http::verb::get, parts.path, 11);
  request.set(http::field::host, parts.host);
  request.set(http::field::user_agent, "pcompose");
  request.set(http::field::connection, "close");
  co_await http::async_write(socket, request, asio::use_awaitable);
  // The head is enough, and what a container sends is not to fill our memory.
  boost::beast::flat_buffer buffer(16384);
  http::response_parser<http::buffer_body> parser;
  co_await http::async_read_header(socket, buffer, parser, asio::use_awaitable);
  auto status = parser.get().result_int();
  std::string answer =
      fmt::format("{} {}", status,
                  std::string_view(parser.get().reason().data(), parser.get().reason().size()));
  co_return ProbeResult{status >= 200 && status < 400 ? 0 : 1, answer};
}

// On its loopback, then on its own address: some listen on one of them only.
Task<Replica::ProbeResult> Replica::probe_network() {
  if (!network_) co_return ProbeResult{1, "the container has no network namespace of its own"};
  std::string url = probe_->kind == Probe::Kind::http ? probe_->args.front() : "";
  auto port = url.empty()
                  ? static_cast<uint16_t>(std::strtoul(probe_->args.front().c_str(), nullptr, 10))
                  : split_url(url).port;
  std::vector<asio::ip::address> addresses = {asio::ip::address_v4::loopback()};
  const auto& endpoints = shares_network() ? shared_.endpoints : endpoints_;
  for (const auto& e : endpoints) {
    if (e.address) addresses.push_back(asio::ip::make_address(e.address->str()));
  }
  ProbeResult result;
  for (const auto& address : addresses) {
    try {
      co_return co_await probe_address({address, port}, url);
    } catch (const boost::system::system_error& e) {
      if (e.code() == asio::error::operation_aborted) throw;
      result.output = fmt::format("{}:{}: {}", address.to_string(), port, e.code().message());
    }
  }
  co_return result;
}

Task<Replica::ProbeResult> Replica::run_probe() {
  try {
    if (probe_->kind == Probe::Kind::command) co_return co_await run_probe_command();
    auto first = co_await (probe_network() || sleep_for(probe_->settings.timeout));
    if (first.index() == 1) co_return ProbeResult{-1, kLate};
    co_return std::get<0>(first);
  } catch (const engine::KeeperDied& e) {
    co_return ProbeResult{1, e.what(), false};
  } catch (const Error& e) {
    co_return ProbeResult{1, e.what()};  // the program is missing, say: a failure like any other
  }
}

void Replica::keep_result(int64_t began_ns, const ProbeResult& result) {
  json::array results;
  if (!row_.probes.empty()) results = json::parse(row_.probes).as_array();
  if (results.size() >= kResultsKept) results.erase(results.begin());
  results.push_back(json::object{{"Start", rfc3339(began_ns)},
                                 {"End", rfc3339(context_.wall_ns())},
                                 {"ExitCode", result.code},
                                 {"Output", result.output}});
  row_.probes = json::serialize(results);
  save();
  context_.changed();
}

Task<> Replica::probe_once() {
  Instant began = context_.clock.now();
  int64_t began_ns = context_.wall_ns();
  // Before it: the answer is to come from who listened, not from one that has ended meanwhile.
  auto listening = listens_beyond_loopback();
  ProbeResult result = co_await run_probe();
  if (!monitor_ || !result.known) co_return;  // the container ended meanwhile, or the keeper
  last_probe_output_ = result.output;
  keep_result(began_ns, result);
  Instant now = context_.clock.now();
  if (exposes_tcp() && listening == HealthMonitor::Listening::yes && diag_ && !told_listening_) {
    told_listening_ = true;
    tell("listening");
  }
  context_.notice(event_of("probe", {{"began_ns", std::to_string(began_ns)},
                                     {"result", result.code == 0 ? "ok" : "failed"}}));
  if (result.code == 0) {
    monitor_->succeeded(began, now, listening);
  } else {
    monitor_->failed(began, now);
  }
}

Task<> Replica::watch_health() {
  co_await open_diag();
  while (monitor_) {
    bool over = row_.health == Health::unhealthy && service_.restart_unhealthy.value_or(false);
    if (over) co_return co_await end_unhealthy();
    auto due = monitor_->next_probe() - context_.clock.now();
    if (due > Duration::zero()) {
      co_await (health_wake_.wait() || sleep_for(due));
      continue;  // whoever woke us may have changed the schedule
    }
    co_await probe_once();
    if (!monitor_ || monitor_->health() == row_.health) continue;
    row_.health = monitor_->health();
    tell(std::string("health_status: ") + health_name(row_.health));
    save();
    changed_.pulse();
    context_.changed();
  }
}

}  // namespace pcompose::scheduler
