#include "cli/attach.h"

#include <atomic>
#include <csignal>
#include <ctime>

#include <fmt/format.h>

#include "base/loop.h"
#include "scheduler/control_client.h"

namespace pcompose::cli {
namespace {

std::atomic<int> interrupts = 0;

// Runs a call beside the log loop.
class BackgroundCall {
 public:
  BackgroundCall(const Globals& globals, const Roots& roots, std::string project,
                 std::string target)
      : thread_(target) {
    group_.spawn(call(globals, roots, std::move(project), std::move(target)));
    context_.poll();
  }

 private:
  Task<> call(const Globals& globals, Roots roots, std::string project, std::string target) {
    co_await thread_.run([&globals, roots = std::move(roots), project = std::move(project),
                          target = std::move(target)] {
      Progress progress(globals);
      scheduler::ControlClient client(roots, project);
      try {
        client.call(
            target, {}, [&](const json::object& event) { progress.show(event); },
            scheduler::Start::never);
      } catch (const std::exception&) {
        return;  // the supervisor is gone: nothing is left to stop
      }
    });
  }
  asio::io_context context_;
  TaskGroup group_{context_.get_executor()};
  LoopThread thread_;
};

// As log records have it, to the second.
std::string record_time(WallTime time) {
  time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts)};
}

}  // namespace

int attach(const Globals& globals, const Roots& roots, const std::string& project,
           const std::vector<std::string>& services, const LogFormat& format, WallTime since) {
  struct sigaction action{};
  action.sa_handler = [](int) { ++interrupts; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  LogPrinter printer(roots, project, services, format);
  printer.skip_before(record_time(since));
  printer.announce_ends();
  std::unique_ptr<BackgroundCall> stop, kill;
  printer.print_existing();
  while (printer.running() > 0) {
    printer.wait_and_print(250);
    if (interrupts >= 1 && !stop) {
      fmt::print(stderr, "Gracefully stopping... (press Ctrl+C again to force)\n");
      stop = std::make_unique<BackgroundCall>(globals, roots, project, "/v1/stop");
    }
    if (interrupts >= 2 && !kill)
      kill = std::make_unique<BackgroundCall>(globals, roots, project, "/v1/abort");
  }
  printer.wait_and_print(0);
  return interrupts > 0 ? 130 : 0;
}

}  // namespace pcompose::cli
