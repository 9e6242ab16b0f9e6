#include "netns/dns_forwarder.h"

#include <array>
#include <sstream>
#include <sys/random.h>

#include "base/error.h"
#include "netns/dns_timed.h"

namespace pcompose::netns {
namespace {

constexpr uint16_t kDnsPort = 53;
constexpr size_t kMostServers = 3;  // as resolv.conf(5), MAXNS

uint16_t random_id() {
  uint16_t id = 0;
  if (::getrandom(&id, sizeof id, 0) != sizeof id) throw Error::from_errno("read random bytes");
  return id;
}

struct Count {
  explicit Count(size_t& n) : n_(n) { ++n_; }
  ~Count() { --n_; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;

 private:
  size_t& n_;
};

// A server that cannot or will not say is not the last word while there is another one.
bool is_final(const Bytes& answer) {
  if (answer.size() < 4) return false;
  auto code = static_cast<DnsCode>(answer[3] & 0xfU);
  return code == DnsCode::no_error || code == DnsCode::no_name;
}

}  // namespace

std::vector<asio::ip::address> parse_resolv_conf(const std::string& text) {
  std::vector<asio::ip::address> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && out.size() < kMostServers;) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    if (!(words >> key >> value) || key != "nameserver") continue;
    boost::system::error_code bad;
    auto address = asio::ip::make_address(value, bad);
    if (!bad) out.push_back(address);
  }
  return out;
}

std::vector<DnsForwarder::Endpoint> DnsForwarder::upstreams() {
  if (!settings_.upstreams.empty()) return settings_.upstreams;
  struct stat now{};
  if (::stat(settings_.resolv_conf.c_str(), &now) != 0) return {};
  bool same = now.st_mtim.tv_sec == file_.st_mtim.tv_sec && now.st_ino == file_.st_ino &&
              now.st_mtim.tv_nsec == file_.st_mtim.tv_nsec && now.st_size == file_.st_size;
  if (!same) {
    from_file_.clear();
    for (const auto& address : parse_resolv_conf(read_file(settings_.resolv_conf, 1U << 16U))) {
      from_file_.emplace_back(address, kDnsPort);
    }
    file_ = now;
  }
  return from_file_;
}

Task<Bytes> DnsForwarder::ask(DnsQuery query, Transport transport,
                              std::vector<asio::ip::address> servers) {
  if (waiting_ >= settings_.in_flight) co_return answer_empty(query, DnsCode::server_failure);
  Count count(waiting_);
  Bytes answer = co_await ask_servers(query, servers);
  if (answer.empty()) co_return answer_empty(query, DnsCode::server_failure);
  co_return relay_answer(answer, query, transport);
}

// Servers that are asked at the same time. Shared: one that is slow may end after the answer was
// given.
struct DnsForwarder::Race {
  Race(const asio::any_io_executor& executor, DnsQuery q) : query(std::move(q)), news(executor) {}
  DnsQuery query;
  Event news;
  Bytes best;
  bool decided = false;
  size_t open = 0;  // still being asked
};

Task<> DnsForwarder::compete(std::shared_ptr<Race> race, Endpoint server) {
  Bytes answer = co_await ask_server(race->query, server);
  --race->open;
  if (!race->decided && !answer.empty()) {
    race->decided = is_final(answer);
    if (race->decided || race->best.empty()) race->best = std::move(answer);
  }
  race->news.pulse();
}

Task<Bytes> DnsForwarder::ask_servers(const DnsQuery& query,
                                      const std::vector<asio::ip::address>& servers) {
  using namespace asio::experimental::awaitable_operators;
  std::vector<Endpoint> chosen;
  for (const auto& address : servers) chosen.emplace_back(address, kDnsPort);
  if (chosen.empty()) chosen = upstreams();
  auto executor = co_await asio::this_coro::executor;
  auto race = std::make_shared<Race>(executor, query);
  TaskGroup group(executor);
  for (size_t next = 0; !race->decided && (next < chosen.size() || race->open > 0);) {
    if (next < chosen.size()) {
      ++race->open;
      group.spawn(compete(race, chosen[next++]));
    }
    auto patience = next < chosen.size() ? settings_.patience : settings_.timeout * 3;
    if (race->open > 0 && !race->decided) co_await (race->news.wait() || sleep_for(patience));
  }
  group.cancel();
  co_await group.join();
  co_return std::move(race->best);
}

Task<Bytes> DnsForwarder::ask_server(const DnsQuery& query, Endpoint server) {
  Bytes answer = co_await ask_by_udp(query, server);
  if (!is_truncated(answer)) co_return answer;
  Bytes whole = co_await ask_by_tcp(query, server);
  co_return whole.empty() ? answer : whole;
}

Task<Bytes> DnsForwarder::ask_by_udp(const DnsQuery& query, Endpoint server) {
  boost::system::error_code failed;
  asio::ip::udp::socket socket(co_await asio::this_coro::executor);
  socket.open(server.protocol(), failed);
  if (!failed) socket.connect(server, failed);
  uint16_t id = random_id();
  if (!failed) socket.send(asio::buffer(forward_query(query, id)), 0, failed);
  auto end = std::chrono::steady_clock::now() + settings_.timeout;
  std::array<uint8_t, 4096> buffer;
  while (!failed) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    failed = co_await within(left, socket.async_wait(asio::socket_base::wait_read, kTuple));
    if (failed) break;
    size_t n = socket.receive(asio::buffer(buffer), 0, failed);
    Bytes answer(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(n));
    if (!failed && answers(answer, query, id)) co_return answer;
  }
  if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
  co_return Bytes{};
}

Task<Bytes> DnsForwarder::ask_by_tcp(const DnsQuery& query, Endpoint server) {
  asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
  uint16_t id = random_id();
  Bytes message = forward_query(query, id);
  std::array<uint8_t, 2> head{static_cast<uint8_t>(message.size() >> 8U),
                              static_cast<uint8_t>(message.size())};
  message.insert(message.begin(), head.begin(), head.end());
  auto limit = settings_.timeout;
  auto failed =
      co_await within(limit, socket.async_connect({server.address(), server.port()}, kTuple));
  if (!failed)
    failed = co_await within(limit, asio::async_write(socket, asio::buffer(message), kTuple));
  if (!failed)
    failed = co_await within(limit, asio::async_read(socket, asio::buffer(head), kTuple));
  Bytes answer;
  if (!failed) {
    answer.resize(static_cast<size_t>(head[0] << 8 | head[1]));
    failed = co_await within(limit, asio::async_read(socket, asio::buffer(answer), kTuple));
  }
  if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
  if (failed || !answers(answer, query, id)) answer.clear();
  co_return answer;
}

}  // namespace pcompose::netns
