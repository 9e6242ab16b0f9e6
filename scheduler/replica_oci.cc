// Containers that an OCI runtime of others runs (`runtime:`). Its `create` finds the root mounted,
// with volumes and files in it, in a mount namespace of its own; the container is left to the
// keeper, which reaps it like its own.
#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory_file.h"
#include "engine/launch/rights.h"
#include "engine/merged_layers.h"
#include "engine/plan.h"
#include "engine/rootless/own_ids.h"
#include "engine/runtime/config_writer.h"
#include "scheduler/container_rights.h"
#include "scheduler/oci_runtimes.h"
#include "scheduler/passing.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {
namespace {

// What it wrote into its log: its own words are the best.
std::string last_words(const std::string& log) {
  try {
    return last_line(open_file(log, O_RDONLY).get());
  } catch (const Error&) {
    return "";
  }
}

// A program that is not there or cannot be executed has codes of its own (docker run, "Exit
// status"); the rest are the runtime's business.
int exit_code_of(const std::optional<ExitStatus>& status) {
  int code = status ? status->code() : 1;
  return code == 126 || code == 127 ? code : 1;
}

pid_t pid_in(const std::string& file) {
  std::string text = read_file(file);
  pid_t pid = 0;
  auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (bad != std::errc() || pid <= 0) throw Error("the runtime wrote no pid into " + file);
  return pid;
}

}  // namespace

bool Replica::has_own_runtime() const {
  return !service_.runtime.empty() && service_.runtime != "pcompose";
}

engine::Process Replica::runtime_call(std::vector<std::string> words) const {
  engine::Process call;
  std::string program = oci_runtime_of(service_);
  call.args = {program, "--root", context_.run + "/oci", "--log", oci_log()};
  // It joins our groups before it creates the container. crun takes no path on hybrid hosts; others
  // get the same groups by cgroupsPath.
  if (program.substr(program.rfind('/') + 1) == "crun")
    call.args.emplace_back("--cgroup-manager=disabled");
  call.args.insert(call.args.end(), words.begin(), words.end());
  call.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return call;
}

// Runs it to its end. Throws Error with its own words where it fails.
Task<> Replica::call_runtime(engine::Process call, const engine::ContainerSpec* spec) {
  Fd null = open_file("/dev/null", O_RDWR);
  for (int& fd : call.stdio)
    if (fd < 0) fd = null.get();
  const std::vector<std::string> none;
  auto running = co_await launch_beside(
      engine::runtime_plan(call, spec != nullptr ? spec->linux.cgroup_procs : none, spec));
  co_await running->ended.wait();
  if (running->status && running->status->code() == 0) co_return;
  throw Error(fmt::format("{}: {}", service_.runtime, last_words(oci_log())))
      .exit_code(exit_code_of(running->status));
}

Task<> Replica::forget_container() {
  try {
    co_await call_runtime(runtime_call({"delete", "--force", row_.short_id()}), nullptr);
  } catch (const Error&) {
    // It knows no such container: what was wanted.
  }
}

Task<> Replica::describe_process(std::vector<Fd>& trees) {
  std::string empty = state_directory() + "/empty";
  make_directories(empty);
  // On a thread of its own, with which the mount ends.
  LoopThread thread("layers");
  const engine::Root& root = spec_.root;
  Fd layers;
  if (root.tree >= 0) {
    layers = root_tree_.duplicate();
  } else if (root.lower.empty()) {
    layers = open_file(root.path, O_PATH | O_DIRECTORY);
  } else {
    layers = co_await thread.run(
        [&] { return engine::open_merged_layers(root.links, root.lower, empty); });
  }
  trees = co_await attach_volumes(layers.get(), spec_);
  std::string home;
  const std::string& user = service_.user.empty() ? image_.config.user : service_.user;
  spec_.process.user = user_in(layers.get(), user, &home);
  set_environment(home);
}

namespace {

// Ours are clamped by the child; a runtime of others gives up.
void clamp_limits(engine::Process& process) {
  std::string status = read_file("/proc/self/status");
  constexpr unsigned kResource = 24;  // CAP_SYS_RESOURCE, linux/capability.h
  uint64_t set = std::stoull(status.substr(status.find("CapEff:") + 7, 17), nullptr, 16);
  if ((set >> kResource & 1U) != 0) return;
  for (engine::Rlimit& limit : process.rlimits) {
    rlimit have{};
    if (::getrlimit(static_cast<__rlimit_resource>(limit.type), &have) != 0) continue;
    limit.hard = std::min<uint64_t>(limit.hard, have.rlim_max);
    limit.soft = std::min(limit.soft, limit.hard);
  }
}

}  // namespace

Task<> Replica::create_by_runtime() {
  if (engine::rootless::in_user_namespace())
    throw Error("an ordinary user cannot have runtime: " + service_.runtime).hint("remove runtime");
  std::vector<Fd> trees;
  co_await make_root();
  co_await describe_process(trees);
  clamp_limits(spec_.process);
  spec_.linux.cgroups_path = context_.cgroups->path(row_.short_id());
  spec_.linux.seccomp_profile = context_.profile_of(service_);
  std::string bundle = run_directory() + "/bundle";
  make_directories(bundle);
  replace_file(bundle + "/config.json",
               json::serialize(engine::runtime::config_of(spec_, spec_.root.path)), 0600);
  Fd out = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::out), O_RDWR);
  Fd err = open_file(engine::Staging::fifo_path(run_directory(), engine::Stream::err), O_RDWR);
  engine::Process call =
      runtime_call({"create", "--bundle", bundle, "--pid-file", bundle + "/pid", row_.short_id()});
  call.stdio[1] = out.get();
  call.stdio[2] = err.get();
  co_await forget_container();
  co_await call_runtime(std::move(call), &spec_);
}

Task<> Replica::run_by_runtime() {
  co_await on_root([this] { return create_by_runtime(); });
  engine::Launched launched;
  launched.pid = pid_in(run_directory() + "/bundle/pid");
  Pidfd pidfd = Pidfd::open(launched.pid);
  uint64_t start = process_start_time(launched.pid).value_or(0);
  ended_.clear();
  exit_status_.reset();
  // Before it starts: its end may come at once.
  context_.keeper->adopt(process_name(), launched.pid, start, pidfd.get());
  launched.pidfd = std::move(pidfd.fd());
  co_await publish_ports();
  std::exception_ptr failure;
  try {
    co_await call_runtime(runtime_call({"start", row_.short_id()}), nullptr);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await forget_container();
    std::rethrow_exception(failure);
  }
  started(std::move(launched));
}

namespace {

using asio::local::stream_protocol;

// The master's side of a terminal, which a runtime sends to the socket that it was told (runc,
// "Terminals": docs/terminals.md).
Task<Fd> receive_terminal(stream_protocol::acceptor& listener) {
  auto socket = co_await listener.async_accept(asio::use_awaitable);
  co_await socket.async_wait(stream_protocol::socket::wait_read, asio::use_awaitable);
  std::string name;
  Fd terminal;
  receive(socket.native_handle(), name, terminal);
  if (!terminal) throw Error("the runtime sent no terminal");
  co_return terminal;
}

void resize(const Fd& terminal, const engine::Process& process) {
  winsize size{process.rows, process.columns, 0, 0};
  if (process.rows != 0) ::ioctl(terminal.get(), TIOCSWINSZ, &size);
}

}  // namespace

Task<std::shared_ptr<ExecProcess>> Replica::exec_by_runtime(engine::Process process,
                                                            const ExecRequest* told) {
  std::string file = fmt::format("{}/exec-{}.json", run_directory(), execs_ + 1);
  std::string console = fmt::format("{}/tty-{}", run_directory(), execs_ + 1);
  replace_file(file, json::serialize(engine::runtime::process_json(process)), 0600);
  std::vector<std::string> words = {"exec", "--process", file};
  std::optional<stream_protocol::acceptor> listener;
  if (process.terminal) {
    listener.emplace(context_.executor, stream_protocol::endpoint(console));
    words.insert(words.end(), {"--tty", "--console-socket", console});
  }
  words.push_back(row_.short_id());
  engine::Process call = runtime_call(std::move(words));
  Fd null = open_file("/dev/null", O_RDWR);
  for (size_t i = 0; i < 3; ++i)
    call.stdio[i] = process.stdio[i] < 0 ? null.get() : process.stdio[i];
  auto running = co_await launch_beside(
      engine::runtime_plan(call, context_.cgroups->procs(row_.short_id())), told);
  if (!listener) co_return running;
  using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only
  auto first = co_await (receive_terminal(*listener) || running->ended.wait());
  ::unlink(console.c_str());
  if (first.index() == 1)
    throw Error(fmt::format("{}: {}", service_.runtime, last_words(oci_log())))
        .exit_code(running->status ? running->status->code() : 1);
  running->terminal = std::move(std::get<0>(first));
  resize(running->terminal, process);
  co_return running;
}

}  // namespace pcompose::scheduler
