#include "scheduler/supervisor.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <malloc.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/process.h"
#include "compose/json.h"
#include "engine/seccomp.h"
#include "scheduler/container_rights.h"
#include "scheduler/control_server.h"

namespace pcompose::scheduler {

namespace {

json::object line_of(const ContainerEvent& event) {
  json::object attributes;
  for (const auto& [name, value] : event.attributes) attributes[name] = value;
  return {{"event", event.action},
          {"time_ns", event.time_ns},
          {"service", event.service},
          {"container", event.container},
          {"attributes", std::move(attributes)}};
}

}  // namespace

Supervisor::Supervisor(asio::io_context& io, std::string project, Fd keeper_socket)
    : io_(io),
      context_(io.get_executor(), std::move(project)),
      db_(context_.roots.database()),
      store_(db_, boot_id()),
      images_(db_, context_.roots),
      cgroups_(context_.roots, context_.project),
      shared_(context_.roots.rootless
                  ? std::optional(engine::SharedNamespaces::join(context_.roots))
                  : std::nullopt),
      networks_(context_.roots, shared_ ? shared_->network().duplicate() : Fd()),
      volume_db_(std::make_unique<Database>(context_.roots.database())),
      volumes_(std::make_unique<volumes::VolumeStore>(*volume_db_, context_.roots)),
      volume_thread_("volumes"),
      keeper_(std::make_unique<engine::KeeperClient>(io.get_executor(), std::move(keeper_socket))),
      forwarder_([this](int control) { context_.keeper->store("forwarder", control); }, "",
                 shared_ ? shared_->network().duplicate() : Fd()),
      pod_(context_),
      ports_(context_),
      materials_([this](const std::string& name, int fd) { context_.keeper->store(name, fd); }),
      grants_(context_.run),
      network_removal_(io.get_executor()),
      tasks_(io.get_executor()),
      keeping_(io.get_executor()),
      idle_(io.get_executor()),
      turn_over_(io.get_executor()) {
  dns_ = std::make_unique<netns::DnsServer>(io.get_executor(), names_);
  context_.keeper = keeper_.get();
  context_.images = &images_;
  context_.cgroups = &cgroups_;
  context_.networks = &networks_;
  context_.dns = dns_.get();
  context_.names = &names_;
  context_.materials = &materials_;
  context_.grants = &grants_;
  context_.store = &store_;
  context_.volumes = volumes_.get();
  context_.volume_thread = &volume_thread_;
  context_.tasks = &tasks_;
  context_.model = &model_;
  context_.changed = [this] {
    spawn_flusher();
    idle_.pulse();
  };
  context_.end_noted = [this](const std::string& process) {
    noted_ends_.push_back(process);
    spawn_flusher();
  };
  context_.publish = [this](ContainerEvent event) {
    if (listener_of_events_ != nullptr) listener_of_events_->line(line_of(event));
    store_.put(std::move(event));
    spawn_flusher();
  };
  context_.notice = [this](const ContainerEvent& event) {
    if (listener_of_events_ != nullptr) listener_of_events_->line(line_of(event));
  };
  context_.ended_for_good = [this](ReplicaRef ref) { tasks_.spawn(remove_ended(std::move(ref))); };
  names_.bring = [this] { rebuild_names(); };
  context_.names_changed = [this] {
    names_.expire();
    if (names_stale_) return;
    names_stale_ = true;
    tasks_.spawn(refresh_names());
  };
  context_.port_of = [this](const ContainerRow& row, const compose::Port& port) {
    return ports_.port_of(row.name, port);
  };
  context_.socket_of = [this](const ContainerRow& row, const netns::PortRow& port) {
    return ports_.socket_of(row.name, port).release();
  };
  context_.forwarder = &forwarder_;
  context_.pod_id = pod_.id();
  context_.share_network = [this](const compose::Service& s) { return share_network(s); };
  context_.share_spaces = [this](const compose::Service& s) { return share_spaces(s); };
  context_.leave_network = [this](Replica& r) { return leave_network(r); };
  context_.profile_of = [this](const compose::Service& service) {
    return seccomp_profile_of(service, model_.working_dir);
  };
  context_.filter_of = [this](const compose::Service& service) { return filter_of(service); };
}

Supervisor::~Supervisor() = default;

std::string Supervisor::filter_of(const compose::Service& service) {
  std::string cache = context_.roots.state + "/cache";
  bool usual = service.cap_add.empty() && service.cap_drop.empty() && !service.privileged &&
               service.security_opt.empty();
  if (!usual) return seccomp_of(service, model_.working_dir, cache);
  if (filter_.empty())
    filter_ = engine::default_seccomp_filter(engine::default_capabilities(), cache);
  return filter_;
}

void Supervisor::load_project() {
  auto row = store_.project(context_.project);
  if (row) {
    model_ = compose::project_from_json(json::parse(row->json));
  } else {
    model_.name = context_.project;
  }
}

void Supervisor::adopt() {
  load_project();
  auto inventory = keeper_->list();
  std::map<std::string, Inherited> inherited;  // by short id
  for (auto& d : inventory.descriptors) {
    if (d.name == "control") listener_ = std::move(d.fd);
    if (d.name.starts_with("s/")) materials_.restore(d.name, std::move(d.fd));
    if (d.name.starts_with("pod/")) pod_.restore(d.name.substr(4), std::move(d.fd));
    if (d.name == "forwarder") forwarder_.restore(std::move(d.fd));
    if (d.name.starts_with("p/")) ports_.restore(d.name.substr(2), std::move(d.fd));
    if (!d.name.starts_with("c/")) continue;
    Inherited& i = inherited[d.name.substr(2, 12)];
    std::string what = d.name.substr(15);
    std::map<std::string, Fd*> slots = {
        {"out", &i.out},     {"err", &i.err},    {"in", &i.in},           {"tty", &i.terminal},
        {"net", &i.network}, {"user", &i.users}, {"dns-udp", &i.dns_udp}, {"dns-tcp", &i.dns_tcp}};
    if (slots.contains(what)) *slots[what] = std::move(d.fd);
  }
  for (auto& p : inventory.processes) {
    if (p.name.starts_with("c/")) inherited[p.name.substr(2)].process = std::move(p);
    if (p.name == PodInfra::kName) pod_.restore(std::move(p));
  }
  for (auto& row : store_.containers(context_.project)) {
    auto image = images_.by_id(row.image_id);
    std::string name = row.name, short_id = row.short_id();
    auto& slot = replicas_[name];
    slot = std::make_unique<Replica>(context_, std::move(row), image.value_or(engine::Image{}));
    slot->resume(std::move(inherited[short_id]));
    inherited.erase(short_id);
  }
  // Launched by a supervisor that died before it wrote the row down: nobody's.
  for (auto& [id, orphan] : inherited) {
    if (orphan.process && orphan.process->pidfd)
      Pidfd(std::move(orphan.process->pidfd)).send_signal(SIGKILL);
    for (const char* what : {"out", "err", "in", "tty", "net", "user", "dns-udp", "dns-tcp"}) {
      keeper_->drop("c/" + id + "/" + what);
    }
  }
}

Task<> Supervisor::flush_soon() {
  co_await asio::post(context_.executor, asio::use_awaitable);
  flushing_ = false;
  store_.flush();
  for (const std::string& process : std::exchange(noted_ends_, {})) keeper_->forget(process);
}

void Supervisor::spawn_flusher() {
  if (flushing_) return;
  flushing_ = true;
  tasks_.spawn(flush_soon());
}

Task<> Supervisor::refresh_names() {
  struct Wake {  // after a failure, too: the next change reads again
    Supervisor& s;
    ~Wake() {
      s.names_stale_ = false;
      s.idle_.pulse();
    }
  } wake{*this};
  while (names_stale_) {
    names_stale_ = false;
    known_endpoints_ = co_await networks_.endpoints();
    known_networks_ = co_await networks_.list();
    names_.expire();
  }
}

// What was just made here is newer than what was last read: who starts next may ask for it at once.
void Supervisor::rebuild_names() {
  std::set<std::string> hidden, fresh, unhealthy;
  std::vector<netns::EndpointRow> all;
  for (const auto& [name, r] : replicas_) {
    if (!r->is_found()) hidden.insert(r->row().id);
    if (r->row().health == Health::unhealthy) unhealthy.insert(r->row().id);
    if (!r->endpoints().empty()) fresh.insert(r->row().id);
    all.insert(all.end(), r->endpoints().begin(), r->endpoints().end());
  }
  fresh.insert(pod_.id());
  all.insert(all.end(), pod_.endpoints().begin(), pod_.endpoints().end());
  for (const auto& e : known_endpoints_) {
    if (!fresh.contains(e.container)) all.push_back(e);
  }
  names_.rebuild(all, known_networks_, hidden, unhealthy);
  know_services();
}

// One that is just made anew, or has not started yet, is no stranger: an upstream server would deny
// it, and clients remember that.
void Supervisor::know_services() {
  std::map<std::string, std::string> ids;  // of networks, by name
  for (const auto& n : known_networks_) ids[n.name] = n.id;
  for (const auto& [name, service] : model_.services) {
    for (const auto& n : service.networks) {
      auto network = model_.networks.find(n.network);
      if (service.scale == 0 || network == model_.networks.end()) continue;
      std::vector<std::string> names = n.aliases;
      names.push_back(name);
      if (!service.container_name.empty()) names.push_back(service.container_name);
      names_.know(ids[network->second.name], names);
    }
  }
}

// The keeper is our parent in spirit only: when it dies, the containers run on, and so do we.
void Supervisor::replace_keeper() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    throw Error::from_errno("socketpair");
  Fd ours(pair[0]), theirs(pair[1]);
  Child child = spawn({.argv = {own_program("pcompose-keeper"), context_.run, "--adopt",
                                own_program("pcompose-supervisor"), context_.project},
                       .environment = current_environment(),
                       .fds = {{theirs.get(), keeper::kSupervisorFd}},
                       .session = Session::own,
                       .directory = "/"});
  child.disown();
  keeper_ = std::make_unique<engine::KeeperClient>(context_.executor, std::move(ours));
  context_.keeper = keeper_.get();
  keeper_->store("control", listener_.get());
  ports_.hand_to_keeper();
  pod_.hand_to_keeper();
  if (forwarder_.control() >= 0) keeper_->store("forwarder", forwarder_.control());
  materials_.hand_to_keeper();
  for (auto& [name, r] : replicas_) r->hand_to_keeper();
  // Last: from here on it would start our successor, which must find everything.
  Pidfd self = Pidfd::open(::getpid());
  keeper_->announce_supervisor(::getpid(), self.get());
}

Task<> Supervisor::keep_keeper() {
  for (;;) {
    keeper_->on_exit = [this](const std::string& name, std::optional<ExitStatus> status) {
      auto handler = context_.exits.find(name);
      if (handler == context_.exits.end()) return keeper_->forget(name);
      auto call = handler->second;  // it may erase itself
      call(status);
    };
    co_await keeper_->run();
    spdlog::warn("the keeper died; starting another");
    replace_keeper();
  }
}

bool Supervisor::anything_up() const {
  for (const auto& [name, r] : replicas_) {
    if (r->is_up() || r->is_leaving()) return true;
  }
  return false;
}

bool Supervisor::somebody_waits() const {
  pollfd waiting{listener_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

// Under the project's lock, which a client holds while it connects: nobody is on the way to us.
bool Supervisor::may_end() {
  Fd directory(::open(context_.run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory && ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) return false;
  if (somebody_waits()) return false;
  store_.flush();
  ports_.release_all();
  // Before the next one can begin: killed from here on, we must not be started again beside it.
  keeper_->quit();
  std::error_code gone;
  if (directory) std::filesystem::remove_all(context_.run, gone);
  return true;
}

// A command's project, plan and rules are many times what is kept of them.
Task<> Supervisor::rest() {
  worked_ = false;
  co_await networks_.rest();
  co_await volume_thread_.run([this] { volume_db_->rest(); });
  db_.rest();
  ::malloc_trim(0);
}

Task<> Supervisor::wait_until_idle() {
  for (;;) {
    if (upgrading_ && busy_ == 0) co_return;
    if (busy_ == 0 && !anything_up() && !names_stale_) {
      // A client that was just served may have another command.
      co_await asio::post(context_.executor, asio::use_awaitable);
      if (busy_ == 0 && may_end()) co_return;
      co_await sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    if (busy_ == 0 && worked_) {
      co_await rest();
      continue;
    }
    co_await idle_.wait();
  }
}

Task<> Supervisor::run() {
  adopt();
  if (somebody_waits()) networks_.prepare();
  names_stale_ = true;
  if (replicas_.empty()) {
    tasks_.spawn(refresh_names());
  } else {
    // Queries wait in the sockets until there is something to answer them from.
    co_await refresh_names();
  }
  for (auto& [name, r] : replicas_) r->resume_dns();
  if (pod_.is_there()) co_await pod_.share();  // reads its endpoints
  pod_.serve_dns();
  keeping_.spawn(keep_keeper());
  tasks_.spawn(watch_endpoints());
  tasks_.spawn(watch_tables());
  for (auto& [name, r] : replicas_) {
    if (r->is_up()) tasks_.spawn(r->splice_ports());
  }
  for (auto& [name, r] : replicas_) {
    if (r->row().remove_at_end && r->row().status == Status::exited)
      tasks_.spawn(remove_ended(r->ref()));
  }
  ControlServer server(*this, listener_);
  tasks_.spawn(server.run());
  co_await wait_until_idle();
  // As if it were killed: the keeper starts what is installed now, which adopts everything.
  if (upgrading_) std::_Exit(0);
  forwarder_.quit();
  tasks_.cancel();
  co_await tasks_.join();
  // After them: a launch that is under way ends with the keeper's answer, cancelled or not.
  keeping_.cancel();
  co_await keeping_.join();
  keeper_->quit();  // another one may have come
  co_await dns_->stop_all();
}

Replica& Supervisor::replica(const ReplicaRef& ref) {
  auto it = replicas_.find(ref.name);
  if (it == replicas_.end()) throw Error("no container " + ref.name);
  return *it->second;
}

std::vector<Replica*> Supervisor::replicas_of(const std::string& service) {
  std::vector<Replica*> out;
  for (auto& [name, r] : replicas_) {
    if (r->row().service == service && !r->row().one_off) out.push_back(r.get());
  }
  return out;
}

Replica& Supervisor::find_running(const std::string& service, int index) {
  Replica* found = nullptr;
  auto place = [](const Replica* r) { return std::pair(r->row().one_off, r->row().number); };
  for (const auto& [name, r] : replicas_) {
    if (r->row().service != service) continue;
    if (index > 0 ? r->row().number != index || r->row().one_off
                  : r->row().status != Status::running)
      continue;
    if (found == nullptr || place(r.get()) < place(found)) found = r.get();
  }
  if (found == nullptr || found->row().status != Status::running) {
    std::string which = index > 0 ? " container #" + std::to_string(index) : "";
    throw Error("service \"" + service + "\" is not running" + which);
  }
  return *found;
}

}  // namespace pcompose::scheduler
