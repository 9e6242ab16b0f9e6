#include "netns/networks.h"

#include <mutex>
#include <sched.h>

#include "netns/network_worker.h"
#include "netns/table_events.h"

namespace pcompose::netns {

struct Networks::State {
  State(Roots r, Fd h)
      : roots(std::move(r)),
        home(std::move(h)),
        host(home ? HostSide::Thread::own : HostSide::Thread::same) {}
  // Made by the first call, on the thread: the database and the kernel's objects belong to it.
  NetworkWorker& on_thread() {
    if (worker) return *worker;
    // For good: out of the user namespace there is no way back to the host's (setns(2)).
    if (home && ::setns(home.get(), CLONE_NEWNET) != 0)
      throw Error::from_errno("enter the network namespace of the bridges");
    worker.emplace(roots, host);
    return *worker;
  }

  struct Wish {
    explicit Wish(NetworkSpec s) : spec(std::move(s)) {}
    NetworkSpec spec;
    EnsuredNetwork made;
    std::exception_ptr failed;  // of all
  };
  void add(std::shared_ptr<Wish> wish) {
    std::lock_guard guard(wishes_mutex);
    wishes.push_back(std::move(wish));
  }
  // All that are asked for by now: a plan's networks, which it wants at once, cost one change of
  // the firewall. Who comes later finds its own made already.
  void ensure_all() {
    std::vector<std::shared_ptr<Wish>> taken;
    {
      std::lock_guard guard(wishes_mutex);
      taken.swap(wishes);
    }
    if (taken.empty()) return;
    std::vector<NetworkSpec> specs;
    for (const auto& wish : taken) specs.push_back(wish->spec);
    try {
      auto made = on_thread().ensure(specs);
      for (size_t i = 0; i < taken.size(); ++i) taken[i]->made = std::move(made[i]);
    } catch (...) {
      for (const auto& wish : taken) wish->failed = std::current_exception();
    }
  }

  Roots roots;
  Fd home;
  HostSide host;
  std::optional<NetworkWorker> worker;
  std::mutex wishes_mutex;
  std::vector<std::shared_ptr<Wish>> wishes;  // of networks, not begun
};

Networks::Networks(const Roots& roots, Fd home)
    : state_(std::make_unique<State>(roots, std::move(home))), thread_("networks") {}

Networks::~Networks() = default;

Task<NetworkRow> Networks::ensure_network(NetworkSpec spec) {
  auto wish = std::make_shared<State::Wish>(std::move(spec));
  state_->add(wish);
  co_await thread_.run([s = state_.get()] { s->ensure_all(); });
  if (wish->failed) std::rethrow_exception(wish->failed);
  if (!wish->made) throw wish->made.error();
  co_return *wish->made;
}

Task<NetworkRow> Networks::use_network(std::string name) {
  co_return co_await thread_.run(
      [s = state_.get(), name = std::move(name)] { return s->on_thread().use(name); });
}

Task<std::vector<Error>> Networks::remove_network(std::string name) {
  co_return co_await thread_.run(
      [s = state_.get(), name = std::move(name)] { return s->on_thread().remove(name); });
}

Task<std::map<std::string, Error>> Networks::release_networks(std::vector<std::string> names,
                                                              std::string project) {
  co_return co_await thread_.run(
      [s = state_.get(), names = std::move(names), project = std::move(project)] {
        return s->on_thread().release(names, project);
      });
}

Task<> Networks::fix_addresses(std::vector<FixedAddress> addresses) {
  co_await thread_.run([s = state_.get(), addresses = std::move(addresses)] {
    s->on_thread().fix_addresses(addresses);
  });
}

Task<EndpointRow> Networks::connect(Fd namespace_fd, ReplicaSpec spec) {
  co_return co_await thread_.run(
      [s = state_.get(), fd = std::move(namespace_fd), spec = std::move(spec)] {
        return s->on_thread().connect(fd.get(), spec);
      });
}

Task<> Networks::disconnect(Fd namespace_fd, std::string container, std::string network) {
  co_await thread_.run(
      [s = state_.get(), fd = std::move(namespace_fd), container = std::move(container),
       network = std::move(network)] { s->on_thread().disconnect(fd.get(), container, network); });
}

Task<Fd> Networks::watch_tables() {
  co_return co_await thread_.run([s = state_.get()] {
    s->on_thread();  // it may have to enter the namespace first
    return netns::watch_tables();
  });
}

Task<bool> Networks::repair() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().repair(); });
}

void Networks::prepare() {
  thread_.post([s = state_.get()] {
    try {
      s->on_thread().prepare();
    } catch (const std::exception&) {
      return;
    }
  });
}

Task<> Networks::rest() {
  co_await thread_.run([s = state_.get()] {
    if (s->worker) s->worker->rest();
  });
}

Task<std::vector<std::string>> Networks::strays() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().strays(); });
}

Task<std::vector<Error>> Networks::remove_strays() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().remove_strays(); });
}

Task<ReplicaNet> Networks::make_replica(ReplicaSpec spec) {
  std::vector<ReplicaSpec> one;
  one.push_back(std::move(spec));
  auto made = co_await make_replicas(std::move(one));
  co_return std::move(made.front());
}

Task<std::vector<ReplicaNet>> Networks::make_replicas(std::vector<ReplicaSpec> specs) {
  co_return co_await thread_.run(
      [s = state_.get(), specs = std::move(specs)] { return s->on_thread().make_replicas(specs); });
}

Task<std::vector<Error>> Networks::remove_replicas(std::vector<std::string> containers, Fd space) {
  co_return co_await thread_.run(
      [s = state_.get(), containers = std::move(containers), fd = std::move(space)] {
        return s->on_thread().remove_replicas(containers, fd.get());
      });
}

Task<std::vector<ReservedPort>> Networks::reserve(std::vector<PublishSpec> ports,
                                                  Conflict conflict) {
  co_return co_await thread_.run([s = state_.get(), ports = std::move(ports), conflict] {
    return s->on_thread().reserve(ports, conflict);
  });
}

Task<std::vector<PortRow>> Networks::publish(std::vector<PublishSpec> ports) {
  co_return co_await thread_.run(
      [s = state_.get(), ports = std::move(ports)] { return s->on_thread().publish(ports); });
}

Task<std::vector<Error>> Networks::unpublish(std::vector<std::string> containers) {
  co_return co_await thread_.run([s = state_.get(), containers = std::move(containers)] {
    return s->on_thread().unpublish(containers);
  });
}

Task<DnsSockets> Networks::open_dns(Fd namespace_fd) {
  co_return co_await thread_.run([s = state_.get(), fd = std::move(namespace_fd)] {
    return s->on_thread().kernel().open_dns(fd.get());
  });
}

Task<Fd> Networks::open_diag(Fd namespace_fd) {
  co_return co_await thread_.run([s = state_.get(), fd = std::move(namespace_fd)] {
    return s->on_thread().kernel().open_diag(fd.get());
  });
}

Task<Fd> Networks::open_tcp(Fd namespace_fd, int family) {
  co_return co_await thread_.run([s = state_.get(), fd = std::move(namespace_fd), family] {
    return s->on_thread().kernel().open_tcp(fd.get(), family);
  });
}

Task<std::vector<NetworkRow>> Networks::list() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().store().networks(); });
}

Task<std::vector<EndpointRow>> Networks::endpoints() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().store().endpoints(); });
}

Task<std::vector<PortRow>> Networks::ports() {
  co_return co_await thread_.run([s = state_.get()] { return s->on_thread().store().ports(); });
}

}  // namespace pcompose::netns
