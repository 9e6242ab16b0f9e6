#include "scheduler/replica.h"

#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "compose/json.h"
#include "compose/units.h"
#include "engine/output/log_tail.h"
#include "engine/quota.h"
#include "scheduler/mounted_images.h"

namespace pcompose::scheduler {

namespace fs = std::filesystem;

Replica::Replica(Context& context, ContainerRow row, engine::Image image)
    : context_(context),
      row_(std::move(row)),
      image_(std::move(image)),
      service_(compose::service_from_json(json::parse(row_.service_json))),
      probe_(probe_of(service_, image_.config)),
      restarts_(service_.restart),
      making_network_(context.executor),
      changed_(context.executor),
      ended_(context.executor),
      output_done_(context.executor),
      stop_requested_(context.executor),
      health_wake_(context.executor) {}

ObservedContainer Replica::observed() const {
  return {row_.id,
          row_.service,
          row_.number,
          row_.name,
          row_.config_hash,
          row_.image_id,
          row_.status,
          row_.exit_code,
          row_.health,
          {},
          row_.one_off,
          row_.mounted_images,
          {},
          {}};
}

void Replica::save() { context_.store->put(row_); }

void Replica::set_status(Status status) {
  row_.status = status;
  save();
  changed_.pulse();
  context_.changed();
}

ContainerEvent Replica::event_of(const std::string& action,
                                 std::map<std::string, std::string> more) const {
  more["name"] = row_.name;
  more["image"] = row_.image;
  for (const auto& [name, value] : service_.labels) {
    if (!name.starts_with("com.docker.compose.")) more[name] = value;
  }
  return {0,       context_.wall_ns(), row_.project, row_.service,
          row_.id, row_.one_off,       action,       std::move(more)};
}

void Replica::tell(const std::string& action, std::map<std::string, std::string> more) {
  context_.publish(event_of(action, std::move(more)));
}

void Replica::choose_group() {
  if (service_.cgroup_parent.empty()) return;
  try {
    context_.cgroups->place(row_.short_id(), service_.cgroup_parent);
  } catch (Error& e) {
    throw e.add("cgroup_parent").at(service_.origin("cgroup_parent"));
  }
}

void Replica::limit_storage() {
  auto size = service_.storage_opt.find("size");
  if (size == service_.storage_opt.end()) return;
  try {
    auto bytes = compose::parse_bytes(size->second);
    // Of the container's id: a number that no other directory has by chance.
    auto project = static_cast<uint32_t>(std::stoul(row_.id.substr(0, 8), nullptr, 16) | 1U);
    engine::limit_space({state_directory() + "/upper", state_directory() + "/work"}, project,
                        static_cast<uint64_t>(bytes.value_or(0)));
  } catch (Error& e) {
    throw e.add("storage_opt.size").at(service_.origin("storage_opt"));
  }
}

void Replica::create() {
  choose_group();
  row_.created_ns = context_.wall_ns();
  add_anonymous_volumes();
  row_.mounted_images = mounted_images(service_, *context_.model, *context_.images);
  save();
  // The row first: directories that no row knows would stay for ever.
  context_.store->flush();
  for (const char* part : {"", "/upper", "/work"}) make_directories(state_directory() + part);
  // The image decides who may enter its root; ours is 0700 above it.
  fs::permissions(state_directory() + "/upper", fs::perms(0755));
  limit_storage();
  tell("create");
}

std::string Replica::last_output() const {
  std::string out;
  for (const std::string& line : engine::last_lines(log_directory(), 10)) out += "\n    " + line;
  return out;
}

void Replica::add_health_waiter() {
  ++health_waiters_;
  if (monitor_) monitor_->set_eagerness(Eagerness::eager, context_.clock.now());
  health_wake_.pulse();
}

void Replica::remove_health_waiter() {
  if (--health_waiters_ == 0 && monitor_)
    monitor_->set_eagerness(Eagerness::none, context_.clock.now());
}

Task<> Replica::remove() {
  // Its own goes whoever lives in it: a recreate takes it along. Another's may have waited for it.
  if (shares_network()) co_await context_.leave_network(*this);
  co_await release_network();
  co_await end_the_rest();
  // One whose start has just failed may not have quite ended; v1 has no event for a group that
  // became empty.
  auto groups = context_.cgroups->procs(row_.short_id());
  for (int i = 0; i < 100; ++i) {
    context_.cgroups->remove(row_.short_id());
    if (groups.empty() || ::access(groups.front().c_str(), F_OK) != 0) break;
    co_await sleep_for(std::chrono::milliseconds(10));
  }
  co_await await_root_server();  // it works in what is removed
  pump_.reset();
  for (const char* what : {"out", "err", "in", "tty"}) context_.keeper->drop(descriptor_name(what));
  context_.exits.erase(process_name());
  context_.keeper->forget(process_name());
  co_await context_.volume_thread->run([state = state_directory(), run = run_directory()] {
    fs::remove_all(run);
    fs::remove_all(state);
  });
  tell("destroy");
}

void Replica::resume(Inherited inherited) {
  choose_group();
  out_ = std::move(inherited.out);
  err_ = std::move(inherited.err);
  stdin_ = std::move(inherited.in);
  terminal_ = std::move(inherited.terminal);
  network_ = std::move(inherited.network);
  users_ = std::move(inherited.users);
  dns_udp_ = std::move(inherited.dns_udp);
  dns_tcp_ = std::move(inherited.dns_tcp);
  auto& process = inherited.process;
  using keeper::State;
  restarts_.resume(row_.restarts);
  bool ended = process && process->state == State::ended;
  bool noted = ended && (row_.status == Status::exited || row_.status == Status::restarting);
  if (noted) context_.keeper->forget(process_name());
  bool ours = !noted && (ended || (process && process->state == State::running));
  if (process && !ours && process->pidfd) Pidfd(std::move(process->pidfd)).send_signal(SIGKILL);
  if (ours && (!is_up() || row_.pid != process->pid)) {
    // Started by a supervisor that died before it wrote that down.
    row_.status = Status::running;
    row_.pid = process->pid;
    row_.pid_start = process->start_time;
    row_.started_ns = context_.wall_ns();
    row_.health = probe_ ? Health::starting : Health::none;
    save();
  }
  context_.exits[process_name()] = [this](std::optional<ExitStatus> status) {
    exit_status_ = status;
    ended_.set();
  };
  if (!is_up()) return;
  if (row_.status == Status::restarting) {
    watched_ = true;
    context_.tasks->spawn(watch_restart());
    return;
  }
  // What happened while no supervisor lived counts where it is its first run.
  if (row_.restarts > 0) kills_before_ = context_.cgroups->memory_use(row_.short_id()).kills;
  bool orphaned = !ours && runs_still();
  started_at_ =
      context_.clock.now() - std::chrono::nanoseconds(context_.wall_ns() - row_.started_ns);
  if (ours) pidfd_ = Pidfd(std::move(process->pidfd));
  if (orphaned) {
    take_in_orphan();
  } else if (!ours || ended) {
    // It ended while no supervisor lived; its last words wait in the FIFO.
    if (ours) exit_status_ = process->status;
    ended_.set();
  }
  if (probe_) {
    monitor_.emplace(probe_->settings, started_at_);
    monitor_->resume(row_.health, 0);
  }
  watched_ = true;
  context_.tasks->spawn(watch());
}

bool Replica::runs_still() const {
  return row_.pid > 0 && process_start_time(row_.pid) == row_.pid_start;
}

// Keeper and supervisor were both killed: the container runs on without either. Its FIFOs are where
// they were, it holds them itself; what only the keeper held (name server's sockets) is made anew.
void Replica::take_in_orphan() {
  try {
    pidfd_ = Pidfd::open(row_.pid);
  } catch (const Error&) {
    return ended_.set();
  }
  context_.keeper->adopt(process_name(), row_.pid, row_.pid_start, pidfd_.get());
  make_fifos();
  if (service_.network_mode == "host") return;
  try {
    network_ = open_file("/proc/" + std::to_string(row_.pid) + "/ns/net", O_RDONLY);
  } catch (const Error&) {
    return;  // it is just ending; its pidfd tells
  }
  context_.keeper->store(descriptor_name("net"), network_.get());
}

void Replica::resume_dns() {
  if (dns_udp_ && dns_tcp_) return serve_dns();
  if (network_ && !shares_network()) context_.tasks->spawn(reopen_dns());
}

Task<> Replica::reopen_dns() {
  auto dns = co_await context_.networks->open_dns(network_.duplicate());
  dns_udp_ = std::move(dns.udp);
  dns_tcp_ = std::move(dns.tcp);
  serve_dns();
}

void Replica::serve_dns() {
  if (!dns_udp_ || !dns_tcp_) return;  // without a network
  context_.names->set_own(row_.short_id(), own_names_of(service_));
  context_.keeper->store(descriptor_name("dns-udp"), dns_udp_.get());
  context_.keeper->store(descriptor_name("dns-tcp"), dns_tcp_.get());
  context_.dns->serve(row_.short_id(), dns_udp_.duplicate(), dns_tcp_.duplicate());
}

void Replica::hand_to_keeper() {
  auto store = [&](const char* what, const Fd& fd) {
    if (fd) context_.keeper->store(descriptor_name(what), fd.get());
  };
  store("out", out_);
  store("err", err_);
  store("in", stdin_);
  store("tty", terminal_);
  store("user", users_);
  store("net", network_);
  store("dns-udp", dns_udp_);
  store("dns-tcp", dns_tcp_);
  kill_parked();
  if (pidfd_) context_.keeper->adopt(process_name(), row_.pid, row_.pid_start, pidfd_.get());
  for (const auto& weak : running_execs_) {
    auto running = weak.lock();
    if (!running || !running->pidfd || running->ended.is_set()) continue;
    context_.keeper->adopt(running->name, running->pid,
                           process_start_time(running->pid).value_or(0), running->pidfd.get());
  }
}

}  // namespace pcompose::scheduler
