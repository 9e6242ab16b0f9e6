// The brain of one project: adopts what runs, executes plans one after another, looks after
// containers, and ends when nothing is left to look after.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "engine/rootless/shared_namespaces.h"
#include "scheduler/context.h"
#include "scheduler/executor.h"
#include "scheduler/name_table.h"
#include "scheduler/places.h"
#include "scheduler/planner.h"
#include "scheduler/pod.h"
#include "scheduler/pod_check.h"
#include "scheduler/port_book.h"
#include "scheduler/progress.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

class Supervisor final : public Runtime {
 public:
  // `keeper_socket` is the socket to the keeper that started us.
  Supervisor(asio::io_context& context, std::string project, Fd keeper_socket);
  ~Supervisor() override;

  // Adopts what the keeper holds, serves the control socket, and returns when nothing is left to
  // do.
  Task<> run();

  // Commands of the control protocol (docs/protocol.md). Each takes its turn: one at a time. Throw
  // Error.
  Task<> up(const json::object& request, ProgressSink& progress);
  Task<> down(const json::object& request, ProgressSink& progress);
  // stop, start, restart, kill, pause, unpause, rm: plans over containers that exist.
  Task<> life(const std::string& verb, const json::object& request, ProgressSink& progress);
  // A container beside the replicas of its service; returns when it runs. `client`, where there is
  // one, is attached to it from its first byte on.
  Task<> run_one_off(const json::object& request, ProgressSink& progress,
                     std::shared_ptr<AttachStream> client);
  // Attaches a client to a container that runs; one that has ended tells how. Throws Error.
  void attach(const json::object& request, std::shared_ptr<AttachStream> client);
  // A signal for one container at once, whatever command runs. Throws Error.
  void signal(const json::object& request);
  // connect, disconnect: a container that runs, and a network.
  Task<> change_network(const std::string& verb, const json::object& request);
  // Keeper and supervisor begin anew as the programs that are installed now; containers run on.
  Task<> upgrade(ProgressSink& progress);
  // Ends everything at once, whatever command runs: the second Ctrl-C.
  void kill_all(const std::vector<std::string>& services);  // empty: of every service
  // Cancels the command that runs now.
  void cancel_command();
  // The client of some command has gone.
  void client_left() { turn_over_.pulse(); }
  // The replica an exec is meant for. Throws Error.
  Replica& find_running(const std::string& service, int index);
  Context& context() { return context_; }
  // While it lives the supervisor does not end.
  struct Busy {
    explicit Busy(Supervisor& s) : supervisor(s) { ++supervisor.busy_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
      if (--supervisor.busy_ == 0) supervisor.idle_.pulse();
    }
    Supervisor& supervisor;
  };

  Task<> perform(const Operation& operation) override;

 private:
  class CommandTurn;
  std::string filter_of(const compose::Service& service);
  void adopt();
  void load_project();
  void spawn_flusher();
  Task<> flush_soon();
  Task<> keep_keeper();
  void replace_keeper();
  Task<> refresh_names();
  void rebuild_names();
  void know_services();
  Task<> rest();
  Task<> wait_until_idle();
  [[nodiscard]] bool anything_up() const;
  [[nodiscard]] bool somebody_waits() const;
  bool may_end();

  [[nodiscard]] Task<Observed> observe();
  Desired desired(const Materials& materials);
  void keep_promised(Observed& observed) const;
  void tell_of_orphans(const Observed& observed, const json::object& request,
                       ProgressSink& progress) const;
  void note_changes(Observed& observed, const Desired& desired, const compose::Project& was) const;
  Task<> reserve_ports(const Plan& plan, netns::Conflict conflict, ProgressSink& progress);
  using Planner = std::function<Plan(const Desired&, const Observed&)>;
  Task<> bring_up(const json::object& request, ProgressSink& progress, const Planner& planner);
  Task<> run_plan(const Plan& plan, ProgressSink& progress);
  Task<> run_in_time(const Plan& plan, ProgressSink& progress, std::optional<Duration> limit);
  Task<> unpark();
  void remember(const compose::Project& project);
  void require_services(const std::vector<std::string>& names) const;

  Task<> create_network(const std::string& key);
  Task<> ensure_networks(const compose::Service& service);
  Task<> fix_addresses(const std::string& key);
  // Whom service:NAME or container:NAME means in this project; nullptr where it is nobody.
  Replica* owner_of(const std::string& mode);
  // The same in the whole root; it runs. Throw Error.
  ContainerRow running_container(const std::string& wanted);
  ContainerRow container_of(const std::string& mode);
  Task<SharedSpaces> share_spaces(const compose::Service& service);
  Task<> share_ipc(const std::string& mode, SharedSpaces& out);
  Task<SharedNetwork> share_network(const compose::Service& service);
  Task<SharedNetwork> foreign_network(const compose::Service& service);
  Task<> leave_network(Replica& leaving);
  [[nodiscard]] ImagePorts image_ports();
  Task<> watch_endpoints();
  Task<> watch_tables();
  Task<> create_volume(const std::string& key);
  void create_container(const CreateContainer& operation);
  // What a container is to be made from; nothing where the project does not have its service.
  [[nodiscard]] std::optional<compose::Service> described(const ReplicaRef& ref) const;
  [[nodiscard]] bool is_pre_start(const ReplicaRef& ref) const;
  Task<> remove_ended(ReplicaRef ref);
  Task<> discard(ReplicaRef ref);
  Task<> await_condition(const AwaitCondition& operation);
  Task<> await_ready(const std::string& service);
  Task<> await_healthy(Replica& replica);
  Task<> await_completed(Replica& replica, std::string words);
  Task<> await_hook(const ReplicaRef& ref);  // of pre_start
  Task<> await_listening(Replica& replica);
  Task<> remove_container(const ReplicaRef& ref);
  Task<> remove_network(const std::string& name);
  Task<> leave_behind_the_ended();
  Task<> remove_volume(const std::string& name);
  Replica& replica(const ReplicaRef& ref);
  std::vector<Replica*> replicas_of(const std::string& service);

  asio::io_context& io_;
  Context context_;
  Database db_;
  StateStore store_;
  engine::ImageStore images_;
  engine::Cgroups cgroups_;
  std::optional<engine::SharedNamespaces> shared_;  // an ordinary user's
  netns::Networks networks_;
  std::unique_ptr<Database> volume_db_;
  std::unique_ptr<volumes::VolumeStore> volumes_;
  LoopThread volume_thread_;
  NameTable names_;
  std::unique_ptr<netns::DnsServer> dns_;
  std::unique_ptr<engine::KeeperClient> keeper_;
  netns::ForwarderClient forwarder_;
  Pod pod_;
  PortBook ports_;
  Materials materials_;
  volumes::Grants grants_;
  compose::Project model_;
  std::map<std::string, std::unique_ptr<Replica>> replicas_;  // by name
  std::map<std::string, std::map<std::string, std::string>>
      inherited_volumes_;                        // of containers being made anew
  std::map<std::string, std::string> replaced_;  // ids of those whose successors come, by name
  std::vector<std::string> noted_ends_;          // processes; see Context::end_noted
  std::set<std::string> ensured_networks_;       // names
  std::vector<std::string> leaving_networks_;    // names; see remove_network()
  std::map<std::string, Error> unremoved_networks_;
  Places network_removal_;
  std::optional<Duration> grace_;                         // of the command that runs
  size_t parallel_ = std::numeric_limits<size_t>::max();  // of the command that runs
  struct OneOff {
    compose::Service service;
    bool remove_at_end = false;
    std::shared_ptr<AttachStream> client;
  };
  std::optional<OneOff> one_off_;  // of the `run` that is at work
  std::string filter_;
  std::string hash_key_;
  Fd listener_;
  TaskGroup tasks_;
  TaskGroup keeping_;  // reads what the keeper answers
  Event idle_;
  Event turn_over_;
  const ProgressSink* commander_ = nullptr;  // of the command whose turn it is
  Execution* execution_ = nullptr;
  std::vector<std::string> warnings_;           // of the plan at work
  std::set<std::string> creating_;              // containers that the plan at work creates
  std::set<std::string> starting_;              // containers that the plan at work starts
  ProgressSink* listener_of_events_ = nullptr;  // of the command at work, where it asked
  int busy_ = 0;
  bool worked_ = false;  // a command left memory to give back
  bool flushing_ = false;
  // As last read from the database: of all projects.
  std::vector<netns::EndpointRow> known_endpoints_;
  std::vector<netns::NetworkRow> known_networks_;
  bool names_stale_ = false;
  bool upgrading_ = false;
};

}  // namespace pcompose::scheduler
