// pcompose-supervisor PROJECT: started by the keeper, with the socket to it as descriptor 3.
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <malloc.h>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "engine/keeper/protocol.h"
#include "scheduler/supervisor.h"

int main(int argc, char** argv) {
  using namespace pcompose;  // NOLINT: this is the program
  if (argc != 2) {
    std::fputs("pcompose-supervisor is started by pcompose\n", stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::mallopt(M_ARENA_MAX, 1);  // our threads take turns; an arena of each would keep a megabyte
  ::fcntl(keeper::kSupervisorFd, F_SETFD, FD_CLOEXEC);
  try {
    Roots roots = Roots::from_environment();
    make_directories(roots.state + "/log");
    spdlog::set_default_logger(
        spdlog::basic_logger_mt("supervisor", roots.state + "/log/" + argv[1] + ".log"));
    spdlog::flush_on(spdlog::level::info);
    asio::io_context context(1);
    scheduler::Supervisor supervisor(context, argv[1], Fd(keeper::kSupervisorFd));
    int code = 0;
    asio::co_spawn(context, supervisor.run(), [&](std::exception_ptr e) {
      try {
        if (e) std::rethrow_exception(e);
      } catch (const std::exception& error) {
        spdlog::critical("supervisor: {}", error.what());
        code = 1;
      }
      context.stop();
    });
    context.run();
    return code;
  } catch (const std::exception& e) {
    spdlog::critical("supervisor: {}", e.what());
    return 1;
  }
}
