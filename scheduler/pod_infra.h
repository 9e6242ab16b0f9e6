// PID 1 of a pod whose containers share their pid namespace too.
#pragma once

#include "base/fd.h"
#include "base/pidfd.h"
#include "engine/keeper_client.h"
#include "scheduler/context.h"

namespace pcompose::scheduler {

// A pid namespace ends with its init (pid_namespaces(7)), so this one is a real process where the
// pod's others are descriptors: pcompose-init, alone in an empty read-only root, without
// capabilities. It reaps whoever loses his parent. On the supervisor's loop.
class PodInfra {
 public:
  static constexpr const char* kName = "pod";  // the keeper's name for it

  explicit PodInfra(Context& context) : context_(context) {}

  // Starts it where it does not run, in the pod's other namespaces. Its pid namespace. Throws
  // Error. Not for two at a time.
  Task<Fd> pid_namespace(const SharedNetwork& pod);
  // Ends it, and with it all that is left in its namespace. A cancelled call leaves it dying.
  Task<> stop();
  // From the keeper of an earlier supervisor, and to the next keeper.
  void restore(engine::KeptProcess process);
  void hand_to_keeper();

 private:
  [[nodiscard]] bool runs() const { return process_ && !process_.ended(); }
  [[nodiscard]] engine::ContainerSpec describe(const SharedNetwork& pod) const;
  Task<> start(const SharedNetwork& pod);

  Context& context_;
  pid_t pid_ = 0;
  uint64_t started_ = 0;  // proc(5), field 22 of stat
  Pidfd process_;
};

}  // namespace pcompose::scheduler
