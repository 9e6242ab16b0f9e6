// Created -> prepared.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/plan.h"
#include "engine/rootless/adapt.h"
#include "engine/rootless/own_ids.h"
#include "scheduler/container_log.h"
#include "scheduler/container_rights.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

void Replica::make_fifos() {
  make_directories(run_directory());
  engine::Staging::make_fifos(run_directory());
  // A FIFO that nobody has open drops what is in it: the keeper holds it for the container's life.
  // A supervisor that died here may have handed over one of the two.
  auto hold = [&](Fd& fd, engine::Stream stream, const char* what) {
    if (fd) return;
    fd = open_file(engine::Staging::fifo_path(run_directory(), stream), O_RDONLY | O_NONBLOCK);
    context_.keeper->store(descriptor_name(what), fd.get());
  };
  hold(out_, engine::Stream::out, "out");
  hold(err_, engine::Stream::err, "err");
  if (!pump_) {
    pump_ = std::make_unique<engine::OutputPump>(
        context_.executor, run_directory(), log_directory(), log_limits_of(service_), out_, err_);
    listen_to_output();
  }
}

void Replica::write_own_files() {
  auto write = [&](const char* name, const std::string& text) {
    std::string path = run_directory() + "/" + name;
    Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(fd.get(), text);
    ::fchmod(fd.get(), 0644);
    engine::User root = outside_of_root();
    if (has_own_users() && ::fchown(fd.get(), root.uid, root.gid) != 0)
      throw Error::from_errno("give " + path + " to the container's root");
  };
  // Who lives in another's namespace has its name and addresses, as docker has it.
  std::string hostname =
      shared_.hostname.empty() ? hostname_of(service_, row_.id) : shared_.hostname;
  const auto& endpoints = shares_network() ? shared_.endpoints : endpoints_;
  write("hosts", hosts_file(hostname, endpoints, extra_hosts_of(service_, host_address_)));
  write("hostname", hostname + "\n");
  bool host = service_.network_mode == "host";
  bool own_dns = !endpoints.empty();
  write("resolv.conf", resolv_file(service_, own_dns, host ? read_file("/etc/resolv.conf") : ""));
}

engine::ContainerSpec Replica::describe() {
  std::string mountpoint = context_.run + "/root";
  make_directories(mountpoint);
  ContainerPaths paths{context_.images->links_directory(), state_directory(), run_directory(),
                       mountpoint};
  engine::ContainerSpec spec = describe_container(service_, image_, row_.id, paths);
  spec.linux.network_namespace = network_.get();
  if (!shared_.hostname.empty()) spec.hostname = shared_.hostname;
  if (shared_.ipc) spec.linux.namespaces.emplace_back(CLONE_NEWIPC, shared_.ipc.get());
  if (shared_.uts) spec.linux.namespaces.emplace_back(CLONE_NEWUTS, shared_.uts.get());
  if (shared_.pid && service_.pid == "pod")
    spec.linux.namespaces.emplace_back(CLONE_NEWPID, shared_.pid.get());
  apply_rights(service_, spec);
  add_endpoint_sysctls(spec);
  device_edits_ = cdi_edits_of(service_);
  device_edits_.apply(spec);
  spaces_.apply(spec);
  if (engine::rootless::in_user_namespace() || has_own_users()) engine::rootless::adapt(spec);
  put_into_own_users(spec);
  spec.process.capabilities = context_.without_unguarded_mknod(spec.process.capabilities, service_);
  spec.linux.cgroup_procs = context_.cgroups->make(row_.short_id(), spec.linux.resources.devices);
  apply_limits(spec);
  spec.linux.seccomp = context_.filter_of(service_);
  if (service_.init) {
    engine::Mount init;
    init.type = "bind";
    init.source = own_program("pcompose-init");
    init.destination = "/sbin/docker-init";
    init.is_file = true;
    init.recursive = false;
    init.attributes = 1;  // MOUNT_ATTR_RDONLY
    spec.mounts.push_back(init);
  }
  return spec;
}

Task<> Replica::unpark() {
  if (!parked_) co_return;
  Pidfd(std::move(parked_->pidfd)).send_signal(SIGKILL);
  parked_.reset();
  co_await context_.leave_network(*this);
}

// Its keeper died, and its channel with it. It may have had its go.
void Replica::kill_parked() {
  if (!parked_) return;
  lost_ = Pidfd(std::move(parked_->pidfd));
  lost_.send_signal(SIGKILL);
  parked_.reset();
}

// A keeper's death takes along what was being launched; the next one is there already.
Task<> Replica::launch_parked() {
  for (int attempt = 0;; ++attempt) {
    if (lost_) co_await wait_readable(lost_.get());
    lost_ = Pidfd();
    try {
      co_await make_root();
      std::optional<engine::ContainerSpec> own;  // with trees that are open for this attempt
      std::vector<Fd> trees;
      if (has_own_users()) trees = open_binds(own.emplace(spec_));
      auto plan = engine::prepare_plan(own ? *own : spec_);
      parked_ = co_await context_.keeper->launch(process_name(), plan);
      co_return;
    } catch (const engine::KeeperDied&) {
      if (attempt == kLaunchAttempts) throw;
    }
    co_await end_the_rest();
  }
}

Task<> Replica::park() {
  co_await on_root([this] { return launch_parked(); });
}

Task<> Replica::until_left() {
  while (is_leaving()) co_await changed_.wait();
}

Task<> Replica::prepare() {
  co_await until_left();
  if (parked_ || row_.status == Status::running) co_return;
  struct Preparing {
    bool& is_true;
    ~Preparing() { is_true = false; }
  } preparing{preparing_ = true};
  try {
    auto place = co_await context_.preparing.enter();
    // A supervisor that died may have written the row and no more.
    for (const char* part : {"", "/upper", "/work"}) make_directories(state_directory() + part);
    make_fifos();
    co_await make_network();
    co_await find_host();
    write_own_files();
    spaces_ = co_await context_.share_spaces(service_);
    spec_ = describe();
    context_.exits[process_name()] = [this](std::optional<ExitStatus> status) {
      exit_status_ = status;
      ended_.set();
    };
    if (has_own_runtime()) co_return;  // created when it starts: its volumes are attached then
    co_await park();
    spaces_ = SharedSpaces();
    co_await run_create_hooks();
  } catch (Error& e) {
    if (parked_) Pidfd(std::move(parked_->pidfd)).send_signal(SIGKILL);
    parked_.reset();
    throw e.add("prepare container " + row_.name).at(service_.position);
  }
}

}  // namespace pcompose::scheduler
