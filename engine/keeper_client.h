// The supervisor's side of the keeper.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/pidfd.h"
#include "engine/keeper/protocol.h"
#include "engine/plan.h"

namespace pcompose::engine {

// A process the keeper knows.
struct KeptProcess {
  std::string name;
  pid_t pid = 0;
  uint64_t start_time = 0;  // of kept processes of a list only where it runs
  keeper::State state = keeper::State::free;
  std::optional<ExitStatus> status;
  Fd pidfd;
};

struct KeptDescriptor {
  std::string name;
  Fd fd;
};

struct KeeperInventory {
  std::vector<KeptProcess> processes;
  std::vector<KeptDescriptor> descriptors;
};

// A child that runs (or is parked).
struct Launched {
  pid_t pid = 0;
  Fd pidfd;
  Fd terminal;  // the pty's master, where the process has one
};

// Where a launch failed: which operation, which errno.
class LaunchError : public Error {
 public:
  LaunchError(const std::string& what, int error_number, launch::OpCode op)
      : Error(what, error_number), op_(op) {}
  [[nodiscard]] launch::OpCode op() const { return op_; }

 private:
  launch::OpCode op_;
};

// Whether what was launched runs is unknown. The supervisor has another keeper by now.
class KeeperDied : public Error {
 public:
  KeeperDied();
};

// Sends launches and gives their outcome to who waits. One loop; any number of launches at once.
class KeeperClient {
 public:
  // `socket` is non-blocking from here on.
  KeeperClient(asio::any_io_executor executor, Fd socket);
  KeeperClient(const KeeperClient&) = delete;
  KeeperClient& operator=(const KeeperClient&) = delete;
  ~KeeperClient();

  // Reads until the keeper is gone or the task is cancelled; run it in a task group. Returns when
  // the keeper died.
  Task<> run();

  // Sends the plan, returns when the child is parked. Throws LaunchError or KeeperDied.
  Task<Launched> launch(std::string name, const Plan& plan);
  // Starts a parked child, returns when its program runs. Throws as launch().
  Task<Launched> start(std::string name, const Plan& plan);
  // Launches a plan that does not park (exec), returns when its program runs.
  Task<Launched> exec(std::string name, const Plan& plan);

  void store(const std::string& name, int fd);
  void drop(const std::string& name);
  void forget(const std::string& name);
  void adopt(const std::string& name, pid_t pid, uint64_t start_time, int pidfd);
  void announce_supervisor(pid_t pid, int pidfd);
  void quit();
  // Has it execute the program that lies where its own did. It goes on with all that it holds.
  void upgrade();
  // Everything the keeper holds. Blocks for a millisecond; for the start, before run().
  KeeperInventory list();

  // Called for every process that ended, once.
  std::function<void(const std::string& name, std::optional<ExitStatus> status)> on_exit;

 private:
  struct Pending;
  void send(keeper::Message message, const std::string& payload, const std::vector<int>& fds);
  void send_plan(keeper::Type type, const std::string& name, const Plan& plan);
  void dispatch(const keeper::Message& message, Fd fd);
  Task<Launched> await_outcome(const std::string& name, const Plan& plan);
  bool receive(keeper::Message& message, Fd& fd, int flags);
  void take_in();
  void fail_all();

  asio::any_io_executor executor_;
  Fd socket_;
  asio::posix::stream_descriptor readable_;
  std::deque<std::pair<keeper::Message, Fd>> inbox_;  // what came while we sent
  std::map<std::string, std::shared_ptr<Pending>> pending_;
  std::map<std::string, Fd> terminals_;
};

}  // namespace pcompose::engine
