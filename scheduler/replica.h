// One container as its supervisor lives with it: prepared, started, watched, stopped, removed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/container_ids.h"
#include "engine/output/pump.h"
#include "engine/spec.h"
#include "engine/storage.h"
#include "scheduler/attach_stream.h"
#include "scheduler/cdi.h"
#include "scheduler/context.h"
#include "scheduler/describe_container.h"
#include "scheduler/places.h"
#include "scheduler/plan.h"
#include "scheduler/restart.h"

namespace pcompose::scheduler {

// What to run inside a container.
struct ExecRequest {
  std::vector<std::string> args;
  std::vector<std::string> env;  // added to the container's
  std::string user;              // "" = the container's
  std::string working_dir;       // "" = the container's
  bool terminal = false;
  bool privileged = false;
  bool probe = false;  // ours: no event tells of it
  uint16_t rows = 0, columns = 0;
  int stdio[3] = {-1, -1, -1};  // not owned
};

// A process inside a container that was started by exec().
struct ExecProcess {
  explicit ExecProcess(asio::any_io_executor executor) : ended(std::move(executor)) {}
  std::string name;
  pid_t pid = 0;
  Pidfd pidfd;
  Fd terminal;
  Event ended;
  std::optional<ExitStatus> status;
};

// To launch, each time with another keeper.
inline constexpr int kLaunchAttempts = 3;

// What an earlier supervisor's keeper still holds for a container.
struct Inherited {
  std::optional<engine::KeptProcess> process;
  Fd out, err, in, terminal, network, users, dns_udp, dns_tcp;
};

// Created -> prepared -> started; after an end it starts again by its policy until it is stopped.
// All methods on the supervisor's loop. Operations on one replica do not overlap: the plan orders
// them.
class Replica {
 public:
  Replica(Context& context, ContainerRow row, engine::Image image);
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Record and directories; no process. Throws Error.
  void create();
  // Namespaces, network, root: a child parked before its program. Repeated calls are fine. Throws
  // Error.
  Task<> prepare();
  // Late mounts, identity, program, post_start. Returns when all that is done. Throws Error with
  // the service's position, or the hook's; the container runs on where only a hook failed.
  Task<> start();
  // Prepared -> created: gives up the parked child and its network.
  Task<> unpark();
  // pre_stop, signal, grace, SIGKILL; returns when it is down. Stays down until start(). Throws
  // Error where a hook failed: then it runs on.
  Task<> stop(std::optional<Duration> grace);
  // SIGKILL, and no restart.
  void kill();
  // Any signal for its first process. SIGKILL and the stop signal end its restarts. Throws Error
  // where it does not run.
  void send_signal(int signal);
  // Freezes or thaws all its processes. Throws Error where no cgroup can.
  void pause();
  void unpause();
  // Removes everything of a container that is down, its named volumes and its row apart.
  Task<> remove();
  // Goes on with what runs since an earlier supervisor; a parked child is given up.
  void resume(Inherited inherited);
  // After resume(): answers its name queries from now on, on the sockets of before where they are
  // still there.
  void resume_dns();
  // Makes its namespace where it has none, for another container that is to live in it.
  Task<SharedNetwork> share_network();
  // Lives in the namespace of another container, or of the pod.
  [[nodiscard]] bool shares_network() const;
  [[nodiscard]] bool in_pod() const { return service_.network_mode == "pod"; }
  // Whose endpoints and ports its are.
  [[nodiscard]] const std::string& network_id() const {
    return in_pod() ? context_.pod_id : row_.id;
  }
  [[nodiscard]] bool holds_network() const { return static_cast<bool>(network_); }
  // Or about to be: its child is to live in the namespaces that were made for it.
  [[nodiscard]] bool is_parked() const { return parked_.has_value() || preparing_; }
  // Gives its namespace up, and what is published.
  Task<> release_network();
  // An ordinary user's bridges are in a namespace that the host's ports do not lead to.
  [[nodiscard]] bool is_spliced(const netns::PortRow& port) const {
    return context_.roots.rootless || port.is_spliced();
  }
  // Has the forwarder splice what it splices already: for one that was started again.
  Task<> splice_ports();
  // Another container will have this port.
  void unsplice(const netns::ReservedPort& port) const;
  // On or off a further network while it runs. Throw Error.
  Task<> connect(netns::Attachment attachment);
  Task<> disconnect(const std::string& network);
  // Gives all descriptors and the process to a fresh keeper.
  void hand_to_keeper();

  // Gives `stream` all that it prints from now on, its start, with the way to its stdin, and its
  // end. Before the first start, or while it runs.
  void attach(std::shared_ptr<AttachStream> stream);
  // Those that are attached are told that it ended with `row().exit_code`, and are forgotten.
  void end_attached();
  std::vector<std::shared_ptr<AttachStream>> take_attached() {
    return std::exchange(attached_, {});
  }

  // Throws Error where it does not run.
  Task<std::shared_ptr<ExecProcess>> exec(const ExecRequest& request);

  [[nodiscard]] const ContainerRow& row() const { return row_; }
  [[nodiscard]] const compose::Service& service() const { return service_; }
  [[nodiscard]] const engine::Image& image() const { return image_; }
  [[nodiscard]] ReplicaRef ref() const { return {row_.service, row_.number, row_.name}; }
  [[nodiscard]] ObservedContainer observed() const;
  // Runs, or will run again by itself.
  [[nodiscard]] bool is_up() const {
    return row_.status == Status::running || row_.status == Status::restarting ||
           row_.status == Status::paused;
  }
  // Has ended, and is about to give up what it had.
  [[nodiscard]] bool is_leaving() const { return watched_ && row_.status == Status::exited; }
  Task<> until_left();
  // Who asks for its names gets its addresses. It may ask itself before we hear that it runs.
  [[nodiscard]] bool is_found() const {
    return going_ || row_.status == Status::running || row_.status == Status::paused;
  }
  [[nodiscard]] bool has_health_check() const { return probe_.has_value(); }
  [[nodiscard]] const std::vector<netns::EndpointRow>& endpoints() const { return endpoints_; }
  // What it runs without, by --limits=warn; "" where it has all.
  [[nodiscard]] const std::string& warning() const { return warning_; }
  // Why its root is slow; "" where it is not, or where that was asked for.
  [[nodiscard]] const std::string& storage_reason() const { return storage_.reason; }
  // The last lines it printed, indented, "" where there are none.
  [[nodiscard]] std::string last_output() const;
  [[nodiscard]] const std::string& last_probe_output() const { return last_probe_output_; }

  // The last of a restart, for the history.
  void tell_restarted() { tell("restart"); }

  // Pulses with every change of status or health.
  Event& changed() { return changed_; }
  [[nodiscard]] bool exposes_tcp() const {
    return !exposed_tcp_ports(service_, image_.config).empty();
  }
  // On one of those ports, beyond loopback. Tells of it the first time after a start.
  Task<bool> is_listening();
  // While anybody waits for its health it is probed eagerly.
  void add_health_waiter();
  void remove_health_waiter();

  [[nodiscard]] std::string log_directory() const { return state_directory() + "/log"; }
  [[nodiscard]] std::string state_directory() const {
    return context_.roots.state + "/containers/" + row_.id;
  }
  [[nodiscard]] std::string run_directory() const { return context_.run + "/c/" + row_.short_id(); }

 private:
  [[nodiscard]] std::string process_name() const { return "c/" + row_.short_id(); }
  [[nodiscard]] std::string descriptor_name(const char* what) const {
    return process_name() + "/" + what;
  }
  void set_status(Status status);
  // Publishes an event of this container; `more` besides its name, image and labels.
  void tell(const std::string& action, std::map<std::string, std::string> more = {});
  [[nodiscard]] ContainerEvent event_of(const std::string& action,
                                        std::map<std::string, std::string> more) const;
  void save();

  void make_fifos();
  Task<> make_network();
  // replica_users.cc: a user namespace of its own.
  [[nodiscard]] bool has_own_users() const;
  Task<uint32_t> ids_wanted();
  Task<> choose_ids();
  Task<Fd> make_users();  // returns the network namespace that they own
  void put_into_own_users(engine::ContainerSpec& spec) const;
  [[nodiscard]] engine::User outside_of_root() const;
  [[nodiscard]] std::vector<Fd> open_binds(engine::ContainerSpec& spec) const;
  void check_ids(const engine::User& user) const;
  [[nodiscard]] std::string default_user() const;
  Task<> take_shared_network();
  [[nodiscard]] std::vector<netns::Attachment> attachments() const;
  [[nodiscard]] netns::ReplicaSpec network_spec() const;
  Task<> find_host();
  Task<std::vector<netns::EndpointRow>> known_endpoints();
  Task<> reopen_dns();
  void serve_dns();
  [[nodiscard]] bool runs_still() const;
  void take_in_orphan();
  void write_own_files();
  engine::ContainerSpec describe();

  Task<std::vector<Fd>> attach_volumes(int root, engine::ContainerSpec& spec);
  Task<> attach_named(const compose::Mount& mount, const std::string& volume, int root,
                      std::vector<Fd>& trees, engine::ContainerSpec& spec);
  Task<> attach_image(const compose::Mount& mount, std::vector<Fd>& trees,
                      engine::ContainerSpec& spec);
  void add_endpoint_sysctls(engine::ContainerSpec& spec) const;
  void choose_group();   // cgroup_parent
  void limit_storage();  // storage_opt; its directories are empty
  void attach_bind(const compose::Mount& mount, std::vector<Fd>& trees,
                   engine::ContainerSpec& spec);
  Task<> attach_grants(std::vector<Fd>& trees, engine::ContainerSpec& spec);
  void add_anonymous_volumes();
  void tell_exec(const ExecRequest& request);
  void watch_exec(const std::shared_ptr<ExecProcess>& running, bool told);
  Task<> launch();
  Task<> run_program();
  Fd make_input();
  void greet_attached();
  void greet(AttachStream& stream);
  void listen_to_output();
  Task<> give_output(engine::Stream stream, std::string text);
  [[nodiscard]] bool attached_is_behind() const;
  Task<> wait_for_last_words();
  Task<> publish_ports();
  // `wanted` by the files beneath `root`, with the service's group_add. Throws Error.
  engine::User user_in(int root, const std::string& wanted, std::string* home) const;
  void started(engine::Launched launched);
  [[nodiscard]] Error start_error(const engine::LaunchError& e) const;
  Task<> park();
  Task<> launch_parked();
  void kill_parked();
  // replica_root.cc: where its files are.
  Task<> on_root(std::function<Task<>()> launch);
  Task<> make_root();
  Task<> copy_root();
  Task<> serve_root();
  [[nodiscard]] Fd open_image(const engine::Image& image) const;
  [[nodiscard]] Fd in_image(const std::string& target) const;
  Task<> await_root_server();
  [[nodiscard]] engine::StorageChoice chosen_storage() const;
  [[nodiscard]] Error refusal(const Error& e) const;
  void choose_storage(engine::Storage storage);

  Task<> watch();
  Task<> watch_restart();
  Task<> stay_down();
  Task<> copy_output();
  Task<> copy_terminal(Fd fifo);
  std::optional<Duration> note_end();
  Task<bool> start_again(Duration delay);
  Task<> run_hook(const compose::Hook& hook, const std::string& place,
                  std::optional<Instant> deadline);
  Task<> run_post_start();
  Task<> run_pre_stop(Instant deadline);
  // replica_device_hooks.cc: of its CDI devices.
  enum class HookPlace : uint8_t { host, container };
  [[nodiscard]] std::string hook_state(const char* status, pid_t pid) const;
  Task<> run_device_hook(const engine::Hook& hook, const char* kind, const std::string& state,
                         HookPlace place);
  Task<> run_create_hooks();
  Task<> run_start_hooks();
  Task<> run_late_hooks(const std::vector<engine::Hook>& hooks, const char* kind,
                        const char* status);
  void apply_limits(engine::ContainerSpec& spec);
  [[nodiscard]] std::string out_of_memory() const;
  // replica_oci.cc: by a runtime of others.
  [[nodiscard]] bool has_own_runtime() const;
  [[nodiscard]] std::string oci_log() const { return run_directory() + "/oci.log"; }
  [[nodiscard]] engine::Process runtime_call(std::vector<std::string> words) const;
  Task<> call_runtime(engine::Process call, const engine::ContainerSpec* spec);
  Task<> forget_container();
  Task<> describe_process(std::vector<Fd>& trees);
  Task<> create_by_runtime();
  Task<> run_by_runtime();
  Task<std::shared_ptr<ExecProcess>> exec_by_runtime(engine::Process process,
                                                     const ExecRequest* told);
  // Launches a process that is not the container's first. `told`: what events tell of; null =
  // nothing.
  Task<std::shared_ptr<ExecProcess>> launch_beside(const engine::Plan& plan,
                                                   const ExecRequest* told = nullptr);
  void set_environment(const std::string& home);
  Task<> settle_status();
  Task<> end_the_rest();
  Task<> watch_health();
  Task<> probe_once();
  Task<> open_diag();
  struct ProbeResult {
    int code = 1;  // 0 is healthy
    std::string output;
    bool known = true;  // else it does not count
  };
  Task<ProbeResult> run_probe();
  Task<ProbeResult> run_probe_command();
  Task<ProbeResult> probe_network();
  Task<ProbeResult> probe_address(asio::ip::tcp::endpoint address, const std::string& url);
  void keep_result(int64_t began_ns, const ProbeResult& result);
  [[nodiscard]] HealthMonitor::Listening listens_beyond_loopback();
  Task<> end_process(Instant deadline);
  Task<> end_unhealthy();
  [[nodiscard]] Duration grace_period() const;
  [[nodiscard]] bool has_other_processes() const;

  Context& context_;
  ContainerRow row_;
  engine::Image image_;
  compose::Service service_;
  std::optional<Probe> probe_;
  RestartTracker restarts_;

  Fd out_, err_, stdin_, terminal_, network_, users_, dns_udp_, dns_tcp_, diag_;
  engine::ContainerIds ids_;  // of has_own_users(), once they are chosen
  std::vector<netns::EndpointRow> endpoints_;
  Places making_network_;  // who is to live in it asks for it, too
  SharedNetwork shared_;   // of shares_network(); its descriptor is network_
  SharedSpaces spaces_;    // until it is parked
  CdiEdits device_edits_;
  engine::StorageChoice storage_;
  Fd root_tree_;                              // its root, on the way to its child
  std::shared_ptr<ExecProcess> root_server_;  // fuse-overlayfs
  std::string warning_;                       // what it runs without
  long kills_before_ = 0;                     // for want of memory, before it started
  std::string host_address_;                  // how it reaches the host; "" where it cannot
  std::optional<engine::Launched> parked_;
  engine::ContainerSpec spec_;
  Pidfd pidfd_;
  std::unique_ptr<engine::OutputPump> pump_;
  std::vector<std::shared_ptr<AttachStream>> attached_;

  Event changed_;
  Event ended_;        // the process is gone
  Event output_done_;  // all it printed is in the log
  Event stop_requested_;
  Event health_wake_;
  std::optional<ExitStatus> exit_status_;
  Instant started_at_;
  bool watched_ = false;
  std::optional<HealthMonitor> monitor_;
  int health_waiters_ = 0;
  uint64_t execs_ = 0;
  std::vector<std::weak_ptr<ExecProcess>> running_execs_;
  Pidfd lost_;  // parked or just started when its keeper died
  std::string last_probe_output_;
  bool told_listening_ = false;
  bool ends_unhealthy_ = false;  // ended by us, to start again
  bool preparing_ = false;       // on its way to parked
  bool going_ = false;           // on its way from parked to running
};

}  // namespace pcompose::scheduler
