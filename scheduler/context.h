// What the live parts of one project's supervisor share.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/roots.h"
#include "compose/project.h"
#include "engine/cgroup.h"
#include "engine/images.h"
#include "engine/keeper_client.h"
#include "engine/rootless/own_ids.h"
#include "engine/spec.h"
#include "netns/dns_server.h"
#include "netns/forwarder_client.h"
#include "netns/networks.h"
#include "scheduler/container_rights.h"
#include "scheduler/materials.h"
#include "scheduler/name_table.h"
#include "scheduler/places.h"
#include "scheduler/plan.h"
#include "scheduler/shared_spaces.h"
#include "scheduler/state_store.h"
#include "volumes/grants.h"
#include "volumes/volumes.h"

namespace pcompose::scheduler {

// A process that runs inside a container (exec, health check) and ended. nullopt: status unknown.
using ExitHandler = std::function<void(std::optional<ExitStatus>)>;

// The network namespace of another container, which a container lives in.
struct SharedNetwork {
  Fd space;
  std::string hostname;  // "" = one's own
  std::vector<netns::EndpointRow> endpoints;
  Fd ipc = {}, uts = {}, pid = {};  // of a pod
};

class Replica;

struct Context {
  Context(asio::any_io_executor e, std::string name)
      : executor(std::move(e)),
        roots(Roots::from_environment()),
        project(std::move(name)),
        run(roots.project_run(project)),
        preparing(executor,
                  static_cast<size_t>(std::max(16L, 4 * ::sysconf(_SC_NPROCESSORS_ONLN)))) {}

  asio::any_io_executor executor;
  Roots roots;
  std::string project;
  std::string run;
  SystemClock clock;
  // A thousand containers at once would take no less time and five times the memory.
  Places preparing;

  engine::KeeperClient* keeper = nullptr;  // another one after the keeper died
  engine::ImageStore* images = nullptr;
  engine::Cgroups* cgroups = nullptr;
  netns::Networks* networks = nullptr;
  netns::DnsServer* dns = nullptr;
  NameTable* names = nullptr;
  StateStore* store = nullptr;
  Materials* materials = nullptr;
  volumes::Grants* grants = nullptr;
  volumes::VolumeStore* volumes = nullptr;  // on `volume_thread` only
  LoopThread* volume_thread = nullptr;
  TaskGroup* tasks = nullptr;  // what lives as long as the supervisor

  compose::Project* model = nullptr;         // the project as last sent
  std::string pod_id;                        // a pod's endpoints are this container's
  std::map<std::string, ExitHandler> exits;  // by the keeper's process name
  std::function<void()> changed;  // some container's state changed: flush, tell who listens
  // The keeper need not know any more how the process ended: once that is on the disk.
  std::function<void(const std::string& process)> end_noted;
  // Something happened to a container: into the history, and to who listens.
  std::function<void(ContainerEvent)> publish;
  // To who listens only: too many to keep.
  std::function<void(ContainerEvent)> notice;
  // A container that goes when it ends did.
  std::function<void(ReplicaRef)> ended_for_good;
  std::function<void()> names_changed;  // the DNS view has to be read again

  // The host port that was reserved for a published port of the container.
  std::function<uint16_t(const ContainerRow&, const compose::Port&)> port_of;
  // The socket that holds it, for the forwarder; -1 where the book has none.
  std::function<int(const ContainerRow&, const netns::PortRow&)> socket_of;
  netns::ForwarderClient* forwarder = nullptr;
  // network_mode: service:… and container:….
  std::function<Task<SharedNetwork>(const compose::Service&)> share_network;
  // ipc: and pid: of others. Throws Error where whose they are does not run.
  std::function<Task<SharedSpaces>(const compose::Service&)> share_spaces;
  // A container needs its network no more: it goes unless others live in it.
  std::function<Task<>(Replica&)> leave_network;
  // The seccomp filter of a service's processes; the usual one is read once.
  std::function<std::string(const compose::Service&)> filter_of;

  // The same as rules, for runtimes of others; nothing where it is unconfined.
  std::function<std::optional<engine::SeccompProfile>(const compose::Service&)> profile_of;

  // CAP_MKNOD only where device rules or a user namespace keep what it makes from being opened, or
  // where the file asks for it.
  [[nodiscard]] engine::Capabilities without_unguarded_mknod(
      engine::Capabilities set, const compose::Service& service) const {
    constexpr engine::CapabilitySet kMknod = engine::CapabilitySet{1} << 27U;  // linux/capability.h
    if (cgroups->has_device_rules() || engine::rootless::in_user_namespace() ||
        asks_for_mknod(service))
      return set;
    for (auto* s : {&set.bounding, &set.effective, &set.permitted}) *s &= ~kMknod;
    return set;
  }

  [[nodiscard]] int64_t wall_ns() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock.wall().time_since_epoch())
        .count();
  }
};

}  // namespace pcompose::scheduler
