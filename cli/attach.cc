#include "cli/attach.h"

#include <algorithm>
#include <atomic>
#include <csignal>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/loop.h"
#include "cli/menu.h"
#include "cli/moment.h"
#include "scheduler/control_client.h"

namespace pcompose::cli {
namespace {

std::atomic<int> interrupts = 0;

// Runs a call beside the log loop.
class BackgroundCall {
 public:
  BackgroundCall(const Globals& globals, const Roots& roots, std::string project,
                 std::string target, json::object body)
      : thread_(target) {
    group_.spawn(call(globals, roots, std::move(project), std::move(target), std::move(body)));
    context_.poll();
  }

 private:
  Task<> call(const Globals& globals, Roots roots, std::string project, std::string target,
              json::object body) {
    co_await thread_.run([&globals, roots = std::move(roots), project = std::move(project),
                          target = std::move(target), body = std::move(body)] {
      Progress progress(globals);
      scheduler::ControlClient client(roots, project);
      try {
        client.call(
            target, body, [&](const json::object& event) { progress.show(event); },
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

bool ends_all(const LogPrinter::End& end, const AttachOptions& options) {
  return options.abort_on_exit || (options.abort_on_failure && end.code != 0);
}

// Of the service that was named; else of the container that ended all; else 0.
int exit_code(const std::vector<LogPrinter::End>& ends, const AttachOptions& options) {
  auto named = std::ranges::find(ends, options.exit_code_from, &LogPrinter::End::service);
  if (named != ends.end()) return named->code;
  auto first = std::ranges::find_if(ends, [&](const auto& e) { return ends_all(e, options); });
  return first == ends.end() ? 0 : first->code;
}

}  // namespace

int attach(const Globals& globals, const Roots& roots, const std::string& project,
           const AttachOptions& options, WallTime since) {
  struct sigaction action{};
  action.sa_handler = [](int) { ++interrupts; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  auto since_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(since.time_since_epoch()).count();
  LogPrinter printer(roots, project, options.counted, options.format);
  printer.skip_before(utc_text(since_ns));
  printer.show_only(options.shown);
  printer.keep_streams_apart();
  printer.announce_ends(since_ns);
  // Neither what they depend on, unless it is named, too, nor what is not in the file.
  const json::object ours{{"services", to_array(options.services)}};
  std::unique_ptr<BackgroundCall> stop, kill;
  Menu menu(options.menu);
  if (auto names = printer.shown_names(); !names.empty())
    fmt::print("Attaching to {}\n", fmt::join(names, ", "));
  printer.print_existing();
  while (printer.running() > 0) {
    printer.wait_and_print(250);
    if (!stop && menu.choice() == Menu::Choice::detach) return 0;
    bool abort =
        std::ranges::any_of(printer.ends(), [&](const auto& e) { return ends_all(e, options); });
    if ((interrupts >= 1 || abort) && !stop) {
      fmt::print(stderr, "{}\n",
                 abort ? "Aborting on container exit..."
                       : "Gracefully stopping... (press Ctrl+C again to force)");
      stop = std::make_unique<BackgroundCall>(globals, roots, project, "/v1/stop", ours);
    }
    if (interrupts >= 2 && !kill)
      kill = std::make_unique<BackgroundCall>(globals, roots, project, "/v1/abort", ours);
  }
  printer.wait_and_print(0);
  if (interrupts > 0) return 130;
  return exit_code(printer.ends(), options);
}

}  // namespace pcompose::cli
