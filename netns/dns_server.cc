#include "netns/dns_server.h"

#include <algorithm>
#include <array>
#include <map>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>

#include "base/error.h"
#include "netns/dns_forwarder.h"
#include "netns/dns_message.h"
#include "netns/dns_timed.h"

namespace pcompose::netns {
namespace {

// Short: a replica that is scaled away must leave nginx's and Java's caches soon.
constexpr uint32_t kTtl = 5;
// Datagrams of one wake-up: others on the loop must have their turn.
constexpr int kBurst = 32;

struct Scope {
  Scope(asio::any_io_executor executor, std::string id, Fd udp_fd, Fd tcp_fd)
      : name(std::move(id)),
        udp(executor, asio::ip::udp::v4(), udp_fd.get()),
        tcp(executor, asio::ip::tcp::v4(), tcp_fd.get()),
        tasks(executor) {
    static_cast<void>(udp_fd.release());  // asio owns both now
    static_cast<void>(tcp_fd.release());
  }
  std::string name;
  asio::ip::udp::socket udp;
  asio::ip::tcp::acceptor tcp;
  size_t clients = 0;
  TaskGroup tasks;
};
using ScopePtr = std::shared_ptr<Scope>;

struct ClientCount {
  explicit ClientCount(Scope& s) : scope(s) { ++scope.clients; }
  ~ClientCount() { --scope.clients; }
  ClientCount(const ClientCount&) = delete;
  ClientCount& operator=(const ClientCount&) = delete;
  Scope& scope;
};

}  // namespace

struct DnsServer::State {
  State(asio::any_io_executor e, Names& n, DnsSettings s)
      : executor(std::move(e)), names(n), settings(s), forwarder(std::move(s)) {}

  asio::any_io_executor executor;
  Names& names;
  DnsSettings settings;
  DnsForwarder forwarder;
  std::map<std::string, ScopePtr> scopes;
  std::minstd_rand random{std::random_device{}()};  // only spreads load

  // The answer where it is ours to give; nullopt: upstream's.
  std::optional<Bytes> local_answer(const Scope& scope, const DnsQuery& query, Transport transport);
  Bytes addresses(const DnsQuery& query, Found found, Transport transport);

 private:
  template <class Address>
  std::vector<Address> in_order(std::vector<Address> first, std::vector<Address> last) {
    std::ranges::shuffle(first, random);
    std::ranges::shuffle(last, random);
    first.insert(first.end(), last.begin(), last.end());
    return first;
  }
};

Bytes DnsServer::State::addresses(const DnsQuery& query, Found found, Transport transport) {
  auto type = static_cast<DnsType>(query.type);
  if (type == DnsType::a || (type == DnsType::any && (!found.v4.empty() || found.v6.empty()))) {
    auto list = in_order(std::move(found.v4), std::move(found.v4_last));
    return answer_addresses(query, std::span<const Ipv4>(list), kTtl, transport);
  }
  if (type == DnsType::aaaa || type == DnsType::any) {
    auto list = in_order(std::move(found.v6), std::move(found.v6_last));
    return answer_addresses(query, std::span<const Ipv6>(list), kTtl, transport);
  }
  // No MX, TXT, …: the name is there, so never NXDOMAIN (some resolvers would stop at it).
  return answer_empty(query, DnsCode::no_error);
}

std::optional<Bytes> DnsServer::State::local_answer(const Scope& scope, const DnsQuery& query,
                                                    Transport transport) {
  if (auto found = names.find(scope.name, query.name)) {
    return addresses(query, std::move(*found), transport);
  }
  auto address = address_of_pointer(query.name);
  if (address && query.type == static_cast<uint16_t>(DnsType::ptr)) {
    if (auto name = names.reverse(scope.name, *address)) {
      return answer_pointer(query, *name, kTtl, transport);
    }
  }
  if (names.may_leave(scope.name)) return {};
  return answer_empty(query, DnsCode::no_name);
}

namespace {

using StatePtr = std::shared_ptr<DnsServer::State>;

// A container that does not read its answers loses them; nobody waits for it.
void send(Scope& scope, const Bytes& message, const sockaddr_in& to) {
  ::sendto(scope.udp.native_handle(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

Task<> forward_udp(StatePtr state, ScopePtr scope, DnsQuery query, sockaddr_in client) {
  Bytes answer = co_await state->forwarder.ask(std::move(query), Transport::udp,
                                               state->names.servers(scope->name));
  send(*scope, answer, client);
}

void answer_datagram(const StatePtr& state, const ScopePtr& scope, std::span<const uint8_t> message,
                     const sockaddr_in& client) {
  DnsParse parsed = parse_query(message);
  if (!parsed.query) {
    if (!parsed.refusal.empty()) send(*scope, parsed.refusal, client);
    return;
  }
  auto answer = state->local_answer(*scope, *parsed.query, Transport::udp);
  if (answer) {
    send(*scope, *answer, client);
  } else {
    scope->tasks.spawn(forward_udp(state, scope, std::move(*parsed.query), client));
  }
}

// Not in the coroutine, whose frame would hold the buffer for good.
void answer_waiting(const StatePtr& state, const ScopePtr& scope) {
  std::array<uint8_t, 4096> buffer;
  for (int i = 0; i < kBurst; ++i) {
    sockaddr_in client{};
    socklen_t size = sizeof client;
    ssize_t n = ::recvfrom(scope->udp.native_handle(), buffer.data(), buffer.size(),
                           MSG_DONTWAIT | MSG_PEEK, reinterpret_cast<sockaddr*>(&client), &size);
    if (n < 0) break;
    answer_datagram(state, scope, {buffer.data(), static_cast<size_t>(n)}, client);
    // Only now: who is killed before leaves it to the next server, which has the same socket. One
    // between the two answers is given twice, and the client drops the second.
    ::recv(scope->udp.native_handle(), nullptr, 0, MSG_DONTWAIT);
  }
}

Task<> serve_udp(StatePtr state, ScopePtr scope) {
  for (;;) {
    auto [failed] = co_await scope->udp.async_wait(asio::socket_base::wait_read, kTuple);
    if (failed) co_return;
    answer_waiting(state, scope);
  }
}

// The answer to one message; empty closes the connection.
Task<Bytes> answer_message(StatePtr state, ScopePtr scope, const Bytes& message) {
  DnsParse parsed = parse_query(message);
  if (!parsed.query) co_return parsed.refusal;
  auto answer = state->local_answer(*scope, *parsed.query, Transport::tcp);
  if (answer) co_return *answer;
  co_return co_await state->forwarder.ask(std::move(*parsed.query), Transport::tcp,
                                          state->names.servers(scope->name));
}

// Messages with a length in front (RFC 1035, 4.2.2), one after the other.
Task<> serve_client(StatePtr state, ScopePtr scope, asio::ip::tcp::socket client) {
  ClientCount count(*scope);
  auto idle = state->settings.idle;
  for (;;) {
    std::array<uint8_t, 2> head{};
    if (co_await within(idle, asio::async_read(client, asio::buffer(head), kTuple))) co_return;
    Bytes message(static_cast<size_t>(head[0] << 8 | head[1]));
    if (co_await within(idle, asio::async_read(client, asio::buffer(message), kTuple))) co_return;
    Bytes answer = co_await answer_message(state, scope, message);
    if (answer.empty()) co_return;
    std::array<uint8_t, 2> size{static_cast<uint8_t>(answer.size() >> 8U),
                                static_cast<uint8_t>(answer.size())};
    answer.insert(answer.begin(), size.begin(), size.end());
    if (co_await within(idle, asio::async_write(client, asio::buffer(answer), kTuple))) co_return;
  }
}

Task<> serve_tcp(StatePtr state, ScopePtr scope) {
  for (;;) {
    auto [failed, client] = co_await scope->tcp.async_accept(kTuple);
    if (failed == asio::error::operation_aborted) co_return;
    if (failed) {
      // Out of descriptors: the connection stays in the queue, and without a pause the loop would
      // spin on it.
      co_await sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    if (scope->clients < state->settings.connections) {
      scope->tasks.spawn(serve_client(state, scope, std::move(client)));
    }
  }
}

}  // namespace

DnsServer::DnsServer(asio::any_io_executor executor, Names& names, DnsSettings settings)
    : state_(std::make_shared<State>(std::move(executor), names, std::move(settings))) {}

DnsServer::~DnsServer() {
  for (auto& [id, scope] : state_->scopes) scope->tasks.cancel();
}

void DnsServer::serve(const std::string& scope, Fd udp, Fd tcp) {
  if (state_->scopes.contains(scope)) throw Error("DNS is served already for " + scope);
  auto made = std::make_shared<Scope>(state_->executor, scope, std::move(udp), std::move(tcp));
  state_->scopes.emplace(scope, made);
  made->tasks.spawn(serve_udp(state_, made));
  made->tasks.spawn(serve_tcp(state_, made));
}

Task<> DnsServer::stop(std::string scope) {
  auto state = state_;
  auto found = state->scopes.extract(scope);
  if (found.empty()) co_return;
  ScopePtr ending = found.mapped();
  ending->tasks.cancel();
  co_await ending->tasks.join();
}

Task<> DnsServer::stop_all() {
  auto state = state_;
  while (!state->scopes.empty()) co_await stop(std::string(state->scopes.begin()->first));
}

size_t DnsServer::scopes() const { return state_->scopes.size(); }

}  // namespace pcompose::netns
