// Prepared -> started: what a dependency may have written just now is looked at here, not earlier.
#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/launch/kernel_abi.h"
#include "engine/merged_layers.h"
#include "engine/plan.h"
#include "engine/rootless/adapt.h"
#include "engine/rootless/own_ids.h"
#include "engine/user.h"
#include "scheduler/mounted_images.h"
#include "scheduler/replica.h"
#include "scheduler/volumes_from.h"

namespace pcompose::scheduler {
namespace {

bool covered(const compose::Service& service, const std::string& target) {
  for (const auto& m : service.volumes) {
    if (m.target == target) return true;
  }
  return false;
}

uint64_t propagation_of(const std::string& name) {
  if (name == "rshared" || name == "shared") return 1U << 20U;  // MS_SHARED
  if (name == "rslave" || name == "slave") return 1U << 19U;    // MS_SLAVE
  return 1U << 18U;                                             // MS_PRIVATE
}

engine::Mount tree_mount(const compose::Mount& mount, int tree, bool is_file) {
  engine::Mount m;
  m.type = "bind";
  m.tree = tree;
  m.destination = mount.target;
  m.is_file = is_file;
  m.propagation = propagation_of(mount.propagation);
  m.attributes = mount.read_only ? launch::kAttrReadOnly : 0;
  m.top_only = mount.recursive == "writable";  // what is mounted beneath it is not read-only
  return m;
}

engine::Mount tmpfs_mount(const compose::Mount& mount) {
  engine::Mount m;
  m.type = "tmpfs";
  m.destination = mount.target;
  m.flags = launch::kMsNoSuid | launch::kMsNoDev | (mount.read_only ? launch::kMsReadOnly : 0);
  m.data = fmt::format("mode={:o}", mount.tmpfs_mode == 0 ? 01777U : mount.tmpfs_mode);
  if (mount.tmpfs_size > 0) m.data += fmt::format(",size={}", mount.tmpfs_size);
  return m;
}

// Of a volume with options. Throws Error with the place in the file.
Fd own_tree(const compose::Volume& volume) {
  try {
    return volumes::options_tree(volume.driver_opts);
  } catch (Error& e) {
    throw e.add("volume " + volume.name).at(volume.position);
  }
}

uint32_t id_of(const std::string& text, const compose::Grant& grant) {
  uint32_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty()) return 0;
  if (failed != std::errc() || end != text.data() + text.size())
    throw Error("\"" + text + "\" is no id of a user or group").at(grant.position);
  return value;
}

}  // namespace

void Replica::add_anonymous_volumes() {
  auto add = [&](const std::string& target) {
    row_.anonymous_volumes.try_emplace(target, sha256_hex(row_.id + target));
  };
  for (const auto& m : service_.volumes) {
    if (m.type == compose::MountType::volume && m.source.empty()) add(m.target);
  }
  for (const std::string& target : image_.config.volumes) {
    if (!covered(service_, target)) add(target);
  }
}

Task<> Replica::attach_named(const compose::Mount& mount, const std::string& volume, int root,
                             std::vector<Fd>& trees, engine::ContainerSpec& spec) {
  std::string key = mount.source;
  std::map<std::string, std::string> labels;
  auto declared = context_.model->volumes.find(key);
  if (declared != context_.model->volumes.end()) labels = declared->second.labels;
  if (key.empty()) labels = mount.volume_labels;
  if (declared != context_.model->volumes.end() && !declared->second.driver_opts.empty()) {
    if (!mount.subpath.empty())
      throw Error("subpath of a volume with driver_opts is not supported").at(mount.position);
    co_await context_.volume_thread->run([&] {
      context_.volumes->ensure(volume, context_.project, key, labels);
      trees.push_back(own_tree(declared->second));
    });
    spec.start_mounts.push_back(tree_mount(mount, trees.back().get(), false));
    co_return;
  }
  Fd source;
  if (!mount.nocopy) {
    try {
      source = open_within(root, mount.target, O_RDONLY | O_DIRECTORY, Resolve::in_root);
    } catch (const Error&) {
      source.reset();  // the image has nothing there: nothing to copy
    }
  }
  // A volume that is shown through a map holds the image's own owners.
  bool shown = has_own_users() && !engine::rootless::in_user_namespace();
  if (shown && source) {
    LoopThread thread("image");
    source = co_await thread.run([&] { return in_image(mount.target); });
  }
  int image_directory = source.get();
  std::string path = co_await context_.volume_thread->run([&, image_directory] {
    context_.volumes->ensure(volume, context_.project, key, labels);
    if (!mount.nocopy) context_.volumes->populate(volume, image_directory);
    return context_.volumes->data_path(volume);
  });
  bool is_file = false;
  try {
    trees.push_back(mount.subpath.empty() ? volumes::mount_tree(path)
                                          : volumes::mount_subtree(path, mount.subpath, &is_file));
    if (shown) engine::show_through(trees.back().get(), users_.get());
  } catch (Error& e) {
    throw e.add("volume " + volume).at(mount.position);
  }
  spec.start_mounts.push_back(tree_mount(mount, trees.back().get(), is_file));
}

// What the image has there, by its own owners; on a thread of its own. Closed where it has nothing.
Fd Replica::in_image(const std::string& target) const {
  Fd root = open_image(image_);
  try {
    return open_within(root.get(), target, O_RDONLY | O_DIRECTORY, Resolve::in_root);
  } catch (const Error&) {
    return {};
  }
}

void Replica::attach_bind(const compose::Mount& mount, std::vector<Fd>& trees,
                          engine::ContainerSpec& spec) {
  bool is_file = false;
  if (!mount.selinux.empty() && ::access("/sys/fs/selinux/enforce", F_OK) == 0) {
    throw Error("SELinux labels of bind mounts are not supported yet")
        .at(mount.position)
        .hint("label the path with chcon, and leave " + mount.selinux + " out");
  }
  auto missing = mount.create_host_path ? volumes::Missing::create : volumes::Missing::refuse;
  try {
    auto submounts =
        mount.recursive == "disabled" ? volumes::Submounts::without : volumes::Submounts::with;
    trees.push_back(volumes::bind_tree(mount.source, missing, &is_file, submounts));
  } catch (Error& e) {
    throw e.at(mount.position);
  }
  spec.start_mounts.push_back(tree_mount(mount, trees.back().get(), is_file));
}

// The root of an image, or a part of it: read-only, and layers that the container itself may have.
Task<> Replica::attach_image(const compose::Mount& mount, std::vector<Fd>& trees,
                             engine::ContainerSpec& spec) {
  const std::string& name = mounted_image(mount, *context_.model);
  // The one it was made with, whatever has that name by now.
  auto known = row_.mounted_images.find(name);
  auto image = known == row_.mounted_images.end() ? context_.images->find(name)
                                                  : context_.images->by_id(known->second);
  if (!image) throw Error("no image " + mount.source).at(mount.position);
  bool is_file = false;
  LoopThread thread("image");
  try {
    trees.push_back(co_await thread.run([&] {
      Fd root = open_image(*image);
      std::string path = fmt::format("/proc/self/fd/{}", root.get());
      return mount.subpath.empty() ? volumes::mount_tree(path)
                                   : volumes::mount_subtree(path, mount.subpath, &is_file);
    }));
  } catch (Error& e) {
    throw e.add("image " + mount.source).at(mount.position);
  }
  spec.start_mounts.push_back(tree_mount(mount, trees.back().get(), is_file));
  spec.start_mounts.back().attributes = launch::kAttrReadOnly;
}

Task<std::vector<Fd>> Replica::attach_volumes(int root, engine::ContainerSpec& spec) {
  std::vector<Fd> trees;
  spec.start_mounts.clear();
  for (const auto& m : service_.volumes) {
    if (m.type == compose::MountType::tmpfs) {
      spec.start_mounts.push_back(tmpfs_mount(m));
    } else if (m.type == compose::MountType::bind) {
      attach_bind(m, trees, spec);
    } else if (m.type == compose::MountType::image) {
      co_await attach_image(m, trees, spec);
    } else if (!m.source.empty()) {
      auto declared = context_.model->volumes.find(m.source);
      // A container of an earlier file keeps what the file does not have any more.
      std::string volume = declared == context_.model->volumes.end()
                               ? context_.project + "_" + m.source
                               : declared->second.name;
      co_await attach_named(m, volume, root, trees, spec);
    }
  }
  auto inherited = inherited_mounts(service_, *context_.model, *context_.store);
  for (const InheritedMount& from : inherited) {
    if (covered(service_, from.mount.target)) continue;
    if (from.mount.type == compose::MountType::tmpfs)
      spec.start_mounts.push_back(tmpfs_mount(from.mount));
    else if (from.mount.type == compose::MountType::bind)
      attach_bind(from.mount, trees, spec);
    else if (from.mount.type == compose::MountType::image)
      co_await attach_image(from.mount, trees, spec);
    else
      co_await attach_named(from.mount, from.volume, root, trees, spec);
  }
  for (const auto& [target, volume] : row_.anonymous_volumes) {
    bool taken = std::ranges::any_of(
        inherited, [&](const InheritedMount& from) { return from.mount.target == target; });
    if (taken && !covered(service_, target)) continue;
    compose::Mount m;
    m.target = target;
    for (const auto& written : service_.volumes) {
      if (written.target == target) m = written;
    }
    co_await attach_named(m, volume, root, trees, spec);
  }
  co_await attach_grants(trees, spec);
  co_return trees;
}

Task<> Replica::attach_grants(std::vector<Fd>& trees, engine::ContainerSpec& spec) {
  std::vector<volumes::GrantFile> files;
  std::vector<std::string> targets;
  auto owner = [&](const auto& map, uint32_t id, const compose::Grant& grant) {
    auto outside = map.empty() ? id : engine::id_outside(map, id);
    if (outside) return *outside;
    throw Error(fmt::format("its owner {} is not among the ids of the container", id))
        .at(grant.position);
  };
  auto add = [&](const compose::Grant& grant, MaterialKind kind) {
    std::string name = grant.target.empty() ? grant.source : grant.target;
    const char* directory = kind == MaterialKind::secret ? "/run/secrets/" : "/";
    targets.push_back(name.starts_with('/') ? name : directory + name);
    files.push_back({context_.materials->content(*context_.model, kind, grant),
                     owner(ids_.uids, id_of(grant.uid, grant), grant),
                     owner(ids_.gids, id_of(grant.gid, grant), grant), grant.mode.value_or(0444)});
  };
  for (const auto& grant : service_.secrets) add(grant, MaterialKind::secret);
  for (const auto& grant : service_.configs) add(grant, MaterialKind::config);
  if (files.empty()) co_return;
  auto made = co_await context_.grants->make(std::move(files));
  for (size_t i = 0; i < made.size(); ++i) {
    compose::Mount mount;
    mount.target = targets[i];
    mount.read_only = true;
    spec.start_mounts.push_back(tree_mount(mount, made[i].get(), true));
    trees.push_back(std::move(made[i]));
  }
}

Error Replica::start_error(const engine::LaunchError& e) const {
  Error out(e.message());
  out.add("start container " + row_.name).at(service_.position);
  if (e.op() == launch::OpCode::exec) {
    out.hint("is the program in the image, and on its PATH? See command: and entrypoint:");
    out.exit_code(launch::exit_code_of_exec(e.error_number()));
  }
  return out;
}

void Replica::set_environment(const std::string& home) {
  // Other users than root have no capabilities after exec, as under docker: none are inheritable.
  spec_.process.env = environment_of(service_, image_.config, spec_.hostname, home);
  for (const std::string& variable : device_edits_.environment)
    put_variable(spec_.process.env, variable);
  if (spec_.process.args.empty()) {
    throw Error("neither the service nor its image says what to run")
        .hint("add command: to the service");
  }
}

// What is parked goes with its keeper, and one that had its go is ended: nobody knows how far it
// came.
Task<> Replica::launch() {
  for (int attempt = 0;; ++attempt) {
    try {
      co_await prepare();
      co_return co_await run_program();
    } catch (const engine::KeeperDied&) {
      if (attempt == kLaunchAttempts) throw;
    }
  }
}

Task<> Replica::run_program() {
  if (has_own_runtime()) co_return co_await run_by_runtime();
  Fd root = open_file("/proc/" + std::to_string(parked_->pid) + "/root", O_PATH | O_DIRECTORY);
  auto trees = co_await attach_volumes(root.get(), spec_);
  std::string home;
  std::string user = service_.user.empty() ? image_.config.user : service_.user;
  if (user.empty()) user = default_user();
  spec_.process.user = user_in(root.get(), user, &home);
  set_environment(home);
  // The program's ends. It holds them read-write, so that it never sees a closed pipe.
  Fd out = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::out), O_RDWR);
  Fd err = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::err), O_RDWR);
  Fd in = make_input();
  spec_.process.stdio[0] = in.get();
  if (!attached_.empty()) {
    spec_.process.rows = attached_.front()->rows;
    spec_.process.columns = attached_.front()->columns;
  }
  spec_.process.stdio[1] = out.get();
  spec_.process.stdio[2] = err.get();
  co_await publish_ports();
  if (!parked_) throw engine::KeeperDied();
  co_await run_start_hooks();
  ended_.clear();
  exit_status_.reset();
  struct Going {
    bool& flag;
    ~Going() { flag = false; }
  } going{going_ = true};
  context_.names->expire();
  engine::Launched launched =
      co_await context_.keeper->start(process_name(), engine::start_plan(spec_));
  launched.pid = parked_->pid;
  launched.pidfd = std::move(parked_->pidfd);
  started(std::move(launched));
  co_await run_late_hooks(device_edits_.hooks.poststart, "poststart", "running");
}

engine::User Replica::user_in(int root, const std::string& wanted, std::string* home) const {
  engine::User user = engine::resolve_user_in(root, wanted, home);
  std::vector<uint32_t> groups;
  for (const std::string& group : service_.group_add)
    groups.push_back(engine::resolve_group_in(root, group));
  groups.insert(groups.end(), device_edits_.groups.begin(), device_edits_.groups.end());
  user.additional_gids.insert(user.additional_gids.end(), groups.begin(), groups.end());
  if (has_own_users()) {
    check_ids(user);
  } else if (engine::rootless::in_user_namespace()) {
    engine::rootless::adapt(user, groups);
  }
  return user;
}

void Replica::started(engine::Launched launched) {
  row_.pid = launched.pid;
  row_.pid_start = process_start_time(launched.pid).value_or(0);
  pidfd_ = Pidfd(std::move(launched.pidfd));
  parked_.reset();
  // The next start describes it anew. An assignment would leave strings their memory.
  engine::ContainerSpec none;
  std::swap(spec_, none);
  if (launched.terminal) {
    terminal_ = std::move(launched.terminal);
    context_.keeper->store(descriptor_name("tty"), terminal_.get());
  }
  started_at_ = context_.clock.now();
  ends_unhealthy_ = false;
  row_.started_ns = context_.wall_ns();
  row_.stopped_by_user = false;
  row_.error = warning_;
  if (warning_.empty() && !storage_.reason.empty())
    row_.error = fmt::format("runs on {}, which is slow", engine::storage_phrase(storage_.storage));
  kills_before_ = context_.cgroups->memory_use(row_.short_id()).kills;
  row_.probes.clear();
  told_listening_ = false;
  row_.health = probe_ ? Health::starting : Health::none;
  monitor_.reset();
  if (probe_) {
    monitor_.emplace(probe_->settings, started_at_);
    if (health_waiters_ > 0) monitor_->set_eagerness(Eagerness::eager, started_at_);
  }
  set_status(Status::running);
  tell("start");
  greet_attached();
  context_.names_changed();
}

Task<> Replica::start() {
  if (row_.status == Status::running) co_return;
  stop_requested_.clear();
  restarts_.reset();
  co_await prepare();
  try {
    co_await launch();
  } catch (const engine::LaunchError& e) {
    Error error = start_error(e);
    parked_.reset();
    row_.exit_code = error.exit_code();
    row_.finished_ns = context_.wall_ns();
    row_.error = error.what();
    set_status(Status::exited);
    throw error;
  } catch (Error& e) {
    if (parked_) Pidfd(std::move(parked_->pidfd)).send_signal(SIGKILL);
    parked_.reset();
    row_.error = e.what();
    save();
    throw e.add("start container " + row_.name).at(service_.position);
  }
  if (!watched_) {
    watched_ = true;
    context_.tasks->spawn(watch());
  }
  co_await run_post_start();
}

}  // namespace pcompose::scheduler
