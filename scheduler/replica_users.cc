// A container with a user namespace of its own (userns_mode). It belongs to the replica and owns
// its network namespace, so that the container has rights there, and in nothing else.
#include <fcntl.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/pidfd.h"
#include "compose/userns_mode.h"
#include "engine/rootless/id_maps.h"
#include "engine/rootless/own_ids.h"
#include "engine/rootless/subordinate_ids.h"
#include "engine/user.h"
#include "scheduler/id_leases.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {
namespace {

using compose::UsernsMode;

constexpr uint32_t kAllIds = 65536;    // all that images use
constexpr uint32_t kFewestIds = 1024;  // as containers.conf(5) has it
constexpr const char* kRangesOwner = "containers";

UsernsMode mode_of(const compose::Service& service) {
  return compose::parse_userns_mode(service.userns_mode).value_or(UsernsMode{});
}

engine::ContainerIds kept_ids(const UsernsMode& mode) {
  using namespace engine::rootless;
  if (!in_user_namespace()) {
    throw Error("userns_mode: keep-id is for ordinary users: root is who it is already")
        .hint("remove it, or write userns_mode: auto");
  }
  if (has_single_id()) {
    throw Error("userns_mode: keep-id needs more than the user's own id")
        .hint(
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER; apt install "
            "uidmap");
  }
  auto count = id_count();
  return {engine::keep_id(mode.uid.value_or(user_outside()), count),
          engine::keep_id(mode.gid.value_or(group_outside()), count)};
}

// Of root: what /etc/subuid and /etc/subgid give to `containers`, as podman has it.
engine::IdRange granted(const char* file) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error&) {
    text.clear();  // the same as one without the line
  }
  if (auto range = engine::rootless::first_range(text, kRangesOwner)) return *range;
  throw Error(
      fmt::format("userns_mode: auto needs a range of ids for {} in {}", kRangesOwner, file))
      .hint("echo containers:2147483648:1073741824 | tee -a /etc/subuid /etc/subgid");
}

}  // namespace

bool Replica::has_own_users() const { return mode_of(service_).kind != UsernsMode::Kind::host; }

// The ids of its image's files and users, where nothing else was said.
Task<uint32_t> Replica::ids_wanted() {
  if (uint32_t size = mode_of(service_).size; size > 0) co_return size;
  if (!engine::rootless::in_user_namespace()) co_return kAllIds;
  LoopThread thread("image");
  uint32_t highest = co_await thread.run([&] {
    Fd root = open_image(image_);
    return engine::highest_id_in(root.get());
  });
  co_return std::max(kFewestIds, highest + 1);
}

Task<> Replica::choose_ids() {
  if (!ids_.empty()) co_return;
  try {
    UsernsMode mode = mode_of(service_);
    if (mode.kind == UsernsMode::Kind::keep_id) {
      ids_ = kept_ids(mode);
      co_return;
    }
    Database db(context_.roots.database());
    IdLeases leases(db);
    std::string owner = row_.project + "/" + row_.name;
    if (engine::rootless::in_user_namespace()) {
      // Its own root keeps 0.
      engine::IdRange all{1, engine::rootless::id_count() - 1};
      uint32_t size = co_await ids_wanted();
      ids_.uids = ids_.gids = engine::whole_range(leases.take(owner, size, all));
      co_return;
    }
    engine::IdRange users = granted("/etc/subuid"), groups = granted("/etc/subgid");
    users.size = std::min(users.size, groups.size);
    engine::IdRange taken = leases.take(owner, std::min(users.size, co_await ids_wanted()), users);
    ids_.uids = engine::whole_range(taken);
    ids_.gids = engine::whole_range({groups.first + (taken.first - users.first), taken.size});
  } catch (Error& e) {
    throw e.at(service_.origin("userns_mode"));
  }
}

// Both namespaces outlive who they are made with.
Task<Fd> Replica::make_users() {
  co_await choose_ids();
  std::string name = "u/" + row_.short_id();
  context_.exits[name] = [&context = context_, name](std::optional<ExitStatus>) {
    context.keeper->forget(name);
    context.exits.erase(name);
  };
  auto waiting = co_await context_.keeper->launch(name, engine::user_namespace_plan());
  struct Ending {
    Pidfd process;
    ~Ending() { process.send_signal(SIGKILL); }
  } ending{Pidfd(std::move(waiting.pidfd))};
  engine::rootless::write_id_maps(waiting.pid, ids_.uids, ids_.gids);
  std::string process = fmt::format("/proc/{}/ns/", waiting.pid);
  users_ = open_file(process + "user", O_RDONLY);
  context_.keeper->store(descriptor_name("user"), users_.get());
  co_return open_file(process + "net", O_RDONLY);
}

void Replica::put_into_own_users(engine::ContainerSpec& spec) const {
  if (!has_own_users()) return;
  spec.linux.user_namespace = users_.get();
  if (engine::rootless::in_user_namespace()) return;  // its root is a copy: replica_root.cc
  spec.root.mapped = context_.roots.state;
  spec.root.uid = outside_of_root().uid;
  spec.root.gid = outside_of_root().gid;
}

engine::User Replica::outside_of_root() const {
  engine::User root;
  root.uid = engine::id_outside(ids_.uids, 0).value_or(0);
  root.gid = engine::id_outside(ids_.gids, 0).value_or(0);
  return root;
}

// Its files in our directories, which the container's root may not pass.
std::vector<Fd> Replica::open_binds(engine::ContainerSpec& spec) const {
  std::vector<Fd> trees;
  for (engine::Mount& m : spec.mounts) {
    if (m.type != "bind" || m.tree >= 0) continue;
    trees.push_back(volumes::mount_tree(m.source));
    m.tree = trees.back().get();
  }
  return trees;
}

void Replica::check_ids(const engine::User& user) const {
  auto check = [&](const std::vector<engine::IdMapping>& map, uint32_t id, const char* what) {
    if (engine::id_outside(map, id)) return;
    throw Error(fmt::format("{} {} is not among the ids of the container", what, id))
        .at(service_.origin("userns_mode"))
        .hint("ask for more: userns_mode: auto:size=65536");
  };
  check(ids_.uids, user.uid, "user");
  check(ids_.gids, user.gid, "group");
  for (uint32_t group : user.additional_gids) check(ids_.gids, group, "group");
}

std::string Replica::default_user() const {
  UsernsMode mode = mode_of(service_);
  if (mode.kind != UsernsMode::Kind::keep_id) return "";
  return fmt::format("{}:{}", mode.uid.value_or(engine::rootless::user_outside()),
                     mode.gid.value_or(engine::rootless::group_outside()));
}

}  // namespace pcompose::scheduler
