#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/rootless/id_maps.h"
#include "engine/runtime/bundle.h"
#include "engine/runtime/console.h"
#include "engine/runtime/container.h"
#include "engine/runtime/device_rules.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/hooks.h"
#include "engine/runtime/launcher.h"
#include "engine/runtime/net_devices.h"

namespace pcompose::engine::runtime {
namespace {

std::string now_text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[32];
  size_t n = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", std::string_view(text, n), now.tv_nsec / 1000);
}

// Undoes what was made for a container that did not come to be.
class Undo {
 public:
  Undo(const StateDirectory& directory, const ContainerRecord& record)
      : directory_(directory), record_(record) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (done_) return;
    try {
      record_.group.signal_all(SIGKILL);
      record_.group.remove();
    } catch (const std::exception&) {
      // The first error is the one to tell.
    }
    try {
      directory_.remove();
    } catch (const std::exception&) {
      return;
    }
  }
  void disarm() { done_ = true; }

 private:
  const StateDirectory& directory_;
  const ContainerRecord& record_;
  bool done_ = false;
};

std::vector<int> preserved_descriptors(int count) {
  std::vector<int> out;
  for (int fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) out.push_back(fd);  // what is not open is not missed
  }
  return out;
}

// The mount point that holds `path`: the longest of mountinfo that is a prefix of it.
std::string mount_point_of(const std::string& path) {
  std::istringstream lines(read_file("/proc/self/mountinfo"));
  std::string best = "/";
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skip, mount;
    words >> skip >> skip >> skip >> skip >> mount;
    bool holds = mount == "/" || path == mount || path.starts_with(mount + "/");
    if (holds && mount.size() >= best.size()) best = mount;
  }
  return best;
}

// One creation on its way.
class Creation {
 public:
  Creation(const CreateOptions& options, StateDirectory& directory, Bundle& bundle,
           ContainerRecord& record)
      : options_(options), directory_(directory), bundle_(bundle), record_(record) {}

  Created run();

 private:
  Plan plan(int listener) const;
  void on_wait(int32_t stage, pid_t pid);
  void run_create_hooks(pid_t pid);
  void on_terminal(Fd master);

  const CreateOptions& options_;
  StateDirectory& directory_;
  Bundle& bundle_;
  ContainerRecord& record_;
  Fd master_;
};

Plan Creation::plan(int listener) const {
  BundleOptions o;
  o.listener = listener;
  o.preserved = preserved_descriptors(options_.preserve_fds + options_.listen_fds);
  o.pivot = options_.pivot;
  const Linux& linux = bundle_.spec.linux;
  o.joins_by_parent = (linux.new_namespaces & CLONE_NEWUSER) != 0;
  if (linux.rootfs_propagation != 0) o.root_parent_mount = mount_point_of(bundle_.spec.root.path);
  return bundle_plan(bundle_.spec, o);
}

void Creation::run_create_hooks(pid_t pid) {
  const Hooks& hooks = bundle_.spec.hooks;
  record_.pid = pid;
  record_.start_time = process_start_time(pid).value_or(0);
  std::string state = state_document(record_, Status::creating);
  // The deprecated ones belong to `start`, by when the container is created (config, "Prestart").
  run_hooks(hooks.prestart, "prestart", state_document(record_, Status::created), record_.bundle);
  run_hooks(hooks.create_runtime, "createRuntime", state, record_.bundle);
  if (hooks.create_container.empty()) return;
  Pidfd pidfd = Pidfd::open(pid);
  HookPlace place;
  place.pidfd = pidfd.get();
  place.namespaces = namespaces_of(bundle_.spec.linux);
  place.directory = record_.bundle;
  run_hooks_inside(hooks.create_container, "createContainer", state, place);
}

void Creation::on_wait(int32_t stage, pid_t pid) {
  if (stage == launch::kStageHooks) return run_create_hooks(pid);
  const Linux& linux = bundle_.spec.linux;
  if (stage == launch::kStageNetDevices) {
    Fd network = open_file(fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
    return move_net_devices(linux.net_devices, network.get());
  }
  rootless::write_id_maps(pid, linux.uid_mappings, linux.gid_mappings);
  for (const std::string& procs : linux.cgroup_procs) {
    Fd fd = open_file(procs, O_WRONLY);
    write_all(fd.get(), std::to_string(pid));
  }
}

void Creation::on_terminal(Fd master) {
  if (!options_.console_socket.empty()) return send_console(options_.console_socket, master);
  master_ = std::move(master);
}

Created Creation::run() {
  Fd listener = directory_.listen();
  Plan p = plan(listener.get());
  directory_.write("steps", p.str());
  Fd group = record_.group.open_v2();
  LaunchEvents events;
  events.on_wait = [this](int32_t stage, pid_t pid) { on_wait(stage, pid); };
  events.on_terminal = [this](Fd master) { on_terminal(std::move(master)); };
  Launch launch(p, group.get());
  if (!launch.until_parked_or_running(events))
    throw Error("the container's process ended before it was ready");
  record_.pid = launch.pid();
  record_.start_time = process_start_time(launch.pid()).value_or(0);
  directory_.save(record_);
  if (!options_.pid_file.empty()) replace_file(options_.pid_file, std::to_string(launch.pid()));
  Created created;
  created.pid = launch.pid();
  created.pidfd = launch.child().release();
  created.master = std::move(master_);
  return created;
}

void check_terminal(const CreateOptions& options, const ContainerSpec& spec) {
  if (spec.process.terminal && options.console_socket.empty() && !options.foreground)
    throw Error("process.terminal: wants --console-socket");
  if (!spec.process.terminal && !options.console_socket.empty())
    throw Error("--console-socket: wants process.terminal");
}

}  // namespace

Created create_container(const CreateOptions& options) {
  check_id(options.id);
  Bundle bundle = load_bundle(options.bundle, options.config);
  if (options.listen_fds > 0) {
    // sd_listen_fds(3): to the container its process is the first one.
    bundle.spec.process.env.push_back(fmt::format("LISTEN_FDS={}", options.listen_fds));
    bundle.spec.process.env.emplace_back("LISTEN_PID=1");
  }
  check_terminal(options, bundle.spec);
  StateDirectory directory = StateDirectory::make(options.root, options.id);
  ContainerRecord record;
  record.id = options.id;
  record.oci_version = bundle.spec.oci_version;
  record.bundle = bundle.directory;
  record.rootfs = bundle.spec.root.path;
  record.created = now_text();
  record.annotations = bundle.spec.annotations;
  Undo undo(directory, record);
  directory.write("config.json", bundle.config);
  record.group = ControlGroup::make(bundle.spec.linux.cgroups_path, options.id,
                                    needed_controllers(bundle.spec));
  record.group.apply(bundle.spec.linux.resources);
  record.group.apply_device_rules(effective_rules(bundle.spec.linux));
  complete_bundle(bundle, record.group, options.root + "/.seccomp");
  Created created = Creation(options, directory, bundle, record).run();
  undo.disarm();
  created.warnings = bundle.spec.process.unknown_capabilities;
  return created;
}

}  // namespace pcompose::engine::runtime
