#include "scheduler/namespaces.h"

#include <sstream>
#include <string>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/roots.h"
#include "engine/rootless/shared_namespaces.h"

namespace pcompose::scheduler {
namespace {

// As given: the parser has taken words off its own copy.
std::vector<std::string> own_arguments() {
  std::istringstream text(read_file("/proc/self/cmdline"));
  std::vector<std::string> out;
  for (std::string word; std::getline(text, word, '\0');) out.push_back(word);
  return out;
}

}  // namespace

int run_inside(const std::function<int()>& command) {
  if (::geteuid() == 0) return command();
  SpawnOptions options{.argv = own_arguments(),
                       .environment = current_environment(),
                       .fds = {{0, 0}, {1, 1}, {2, 2}},
                       .program = own_program("pcompose")};
  return engine::SharedNamespaces::open(Roots::from_environment())
      .spawn_inside(std::move(options))
      .wait()
      .code();
}

}  // namespace pcompose::scheduler
