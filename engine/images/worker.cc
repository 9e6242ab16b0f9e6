#include "engine/images/worker.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/rootless/shared_namespaces.h"

namespace pcompose::engine {
namespace {

void read_to_end(int fd, ReportReader& reader) {
  std::array<char, 65536> buffer;
  for (;;) {
    ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read");
    if (n == 0) return;
    reader.add({buffer.data(), static_cast<size_t>(n)});
  }
}

}  // namespace

void run_image_worker(const std::string& job, const Fd& input, const Roots& roots,
                      ReportReader& reader, const Fd& second) {
  Fd store = open_file(roots.state, O_RDONLY | O_DIRECTORY);
  Fd nothing = open_file("/dev/null", O_RDONLY);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  SpawnOptions options;
  options.argv = {own_program("pcompose-images"), job};
  options.environment = {"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"};
  // LayerLimits and Patience; nothing else of ours is the worker's business.
  for (const std::string& variable : current_environment()) {
    if (variable.starts_with("PCOMPOSE_LAYER_MAX_") ||
        variable.starts_with("PCOMPOSE_REGISTRY_TIMEOUT="))
      options.environment.push_back(variable);
  }
  options.fds = {{nothing.get(), STDIN_FILENO},
                 {input.get(), kSourceFd},
                 {store.get(), kStoreFd},
                 {write_end.get(), kReportFd}};
  if (second) options.fds.emplace_back(second.get(), kSecondFd);
  Child child =
      roots.rootless ? SharedNamespaces::open(roots).spawn_inside(options) : spawn(options);
  write_end.reset();
  read_to_end(read_end.get(), reader);
  ExitStatus status = child.wait();
  if (auto signal = status.signal()) {
    throw Error(fmt::format("pcompose-images was ended by signal {}", *signal))
        .hint("nothing was recorded: try again");
  }
  if (!reader.done()) {
    throw Error("pcompose-images ended before its work was done")
        .hint("nothing was recorded: try again");
  }
}

}  // namespace pcompose::engine
