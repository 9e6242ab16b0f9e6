#include "engine/runtime/id_maps.h"

#include <fcntl.h>
#include <sched.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/plan_parts.h"
#include "engine/rootless/id_maps.h"
#include "engine/runtime/launcher.h"

namespace pcompose::engine::runtime {

Fd mapping_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  Plan plan(CLONE_NEWUSER);
  plan.stay_dumpable();
  launch::Op wait = op(launch::OpCode::wait);
  wait.a = launch::kStageMapIds;
  plan.add(wait);
  Fd out;
  LaunchEvents events;
  events.on_wait = [&](int32_t, pid_t pid) {
    rootless::write_id_maps(pid, uids, gids);
    out = open_file(fmt::format("/proc/{}/ns/user", pid), O_RDONLY);
  };
  Launch launch(plan, -1);
  launch.until_parked_or_running(events);
  launch.child().wait();
  if (!out) throw Error("make a user namespace for the maps of a mount");
  return out;
}

}  // namespace pcompose::engine::runtime
