// cp: files between containers and the machine.
#include <algorithm>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "scheduler/container_files.h"
#include "scheduler/namespaces.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::CopySide;

struct CpFlags {
  bool archive = false, follow = false, all = false;
  int index = 0;
  std::string source, target;
};

struct Argument {
  std::string service, path;  // service "": the machine's
};

// "SERVICE:PATH"; a path of the machine that holds a colon is written with "./" before it.
Argument parse(const std::string& text) {
  size_t colon = text.find(':');
  bool path = text.starts_with('/') || text.starts_with('.') || colon == std::string::npos ||
              text.find('/') < colon;
  if (path) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// Those that are meant: into a service all its containers, out of it the first.
std::vector<scheduler::ContainerRow> containers_of(const Roots& roots, const Globals& globals,
                                                   const CpFlags& flags,
                                                   const std::string& service) {
  std::vector<scheduler::ContainerRow> out;
  for (auto& view : scheduler::view_project(roots, project_name(globals))) {
    if (view.row.service != service || (view.row.one_off && !flags.all)) continue;
    if (flags.index > 0 && view.row.number != flags.index) continue;
    out.push_back(std::move(view.row));
  }
  std::ranges::sort(out, {}, [](const auto& row) { return std::pair(row.one_off, row.number); });
  if (out.empty()) {
    std::string which = flags.index > 0 ? fmt::format(" #{}", flags.index) : "";
    throw Error("no container" + which + " found for service \"" + service + "\"")
        .hint("make it with up or create");
  }
  return out;
}

int copy_here(const Globals& globals, const CpFlags& flags) {
  Argument from = parse(flags.source), to = parse(flags.target);
  if (from.service.empty() == to.service.empty()) {
    throw Error(from.service.empty() ? "neither side is a service" : "both sides are services")
        .hint("pcompose cp SERVICE:PATH PATH, or pcompose cp PATH SERVICE:PATH");
  }
  Roots roots = Roots::from_environment();
  auto follow = flags.follow ? scheduler::FollowLink::yes : scheduler::FollowLink::no;
  auto owners = flags.archive ? scheduler::KeepOwners::yes : scheduler::KeepOwners::no;
  const std::string& service = from.service.empty() ? to.service : from.service;
  auto rows = containers_of(roots, globals, flags, service);
  if (!from.service.empty()) {
    CopySide source = CopySide::container(roots, rows.front(), from.path);
    if (to.path == "-") {
      if (::isatty(STDOUT_FILENO) != 0)
        throw Error("a tar is nothing for a terminal").hint("redirect it to a file");
      scheduler::copy_files_to(roots, source, STDOUT_FILENO, follow);
    } else {
      scheduler::copy_files(roots, source, CopySide::host(to.path), follow, owners);
    }
    return 0;
  }
  if (from.path == "-" && rows.size() > 1)
    throw Error("standard input can be read once, and the service has several containers")
        .hint("choose one with --index");
  for (const auto& row : rows) {
    CopySide target = CopySide::container(roots, row, to.path);
    if (from.path == "-") {
      scheduler::copy_files_from(roots, STDIN_FILENO, target, owners);
    } else {
      scheduler::copy_files(roots, CopySide::host(from.path), target, follow, owners);
    }
  }
  return 0;
}

int cp(const Globals& globals, const CpFlags& flags) {
  Argument from = parse(flags.source), to = parse(flags.target);
  Roots roots = Roots::from_environment();
  const std::string& service = from.service.empty() ? to.service : from.service;
  bool inside = false;
  if (from.service.empty() != to.service.empty()) {
    for (const auto& row : containers_of(roots, globals, flags, service))
      inside = inside || scheduler::needs_namespaces(roots, row);
  }
  auto copy = [&] { return copy_here(globals, flags); };
  return inside ? scheduler::run_inside(copy) : copy();
}

}  // namespace

void add_cp(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<CpFlags>();
  CLI::App* c = app.add_subcommand("cp", "Copy files between a service and this machine");
  c->add_flag("-a,--archive", flags->archive, "Keep owners");
  c->add_flag("-L,--follow-link", flags->follow, "Follow a link that the source is");
  c->add_flag("--all", flags->all, "Containers of run, too");
  c->add_option("--index", flags->index, "Only this replica");
  c->add_option("source", flags->source, "SERVICE:PATH, PATH, or - for a tar")->required();
  c->add_option("target", flags->target, "SERVICE:PATH, PATH, or - for a tar")->required();
  c->callback([&, flags] { run = [&, flags] { return cp(globals, *flags); }; });
}

}  // namespace pcompose::cli
