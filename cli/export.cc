// export: a container's root as a tar.
#include <algorithm>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/command.h"
#include "scheduler/container_files.h"
#include "scheduler/namespaces.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

struct ExportFlags {
  std::string service, output;
  int index = 0;
};

scheduler::ContainerRow chosen(const Roots& roots, const Globals& globals,
                               const ExportFlags& flags) {
  for (auto& view : scheduler::view_project(roots, project_name(globals))) {
    bool same = view.row.service == flags.service && !view.row.one_off;
    if (same && (flags.index == 0 || view.row.number == flags.index)) return std::move(view.row);
  }
  std::string which = flags.index > 0 ? fmt::format(" #{}", flags.index) : "";
  throw Error("no container" + which + " found for service \"" + flags.service + "\"")
      .hint("make it with up or create");
}

// The file appears when it is whole.
int export_to(const Globals& globals, const ExportFlags& flags) {
  Roots roots = Roots::from_environment();
  auto row = chosen(roots, globals, flags);
  if (flags.output.empty()) {
    if (::isatty(STDOUT_FILENO) != 0)
      throw Error("a tar is nothing for a terminal").hint("redirect it, or give --output FILE");
    scheduler::export_container(roots, row, STDOUT_FILENO);
    return 0;
  }
  std::string fresh = flags.output + ".new";
  Fd file = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  try {
    scheduler::export_container(roots, row, file.get());
  } catch (const Error&) {
    ::unlink(fresh.c_str());
    throw;
  }
  if (::rename(fresh.c_str(), flags.output.c_str()) != 0)
    throw Error::from_errno("rename " + fresh);
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* c = app.add_subcommand("export", "A container's files as a tar, without volumes");
  c->add_option("-o,--output", flags->output, "Into a file instead of stdout");
  c->add_option("--index", flags->index, "Which replica");
  c->add_option("service", flags->service)->required();
  c->callback([&, flags] {
    run = [&, flags] {
      Roots roots = Roots::from_environment();
      auto command = [&] { return export_to(globals, *flags); };
      bool inside = scheduler::needs_namespaces(roots, chosen(roots, globals, *flags));
      return inside ? scheduler::run_inside(command) : command();
    };
  });
}

}  // namespace pcompose::cli
