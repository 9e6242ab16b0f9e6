// system df, boot, upgrade, check, prune.
#include "scheduler/system.h"

#include <algorithm>
#include <ctime>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/table.h"
#include "scheduler/control_client.h"
#include "scheduler/namespaces.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

struct Line {
  std::string type;
  size_t total = 0, active = 0;
  int64_t size = 0, reclaimable = 0;

  [[nodiscard]] std::string share() const {
    int64_t percent = size == 0 ? 0 : reclaimable * 100 / size;
    return fmt::format("{} ({}%)", megabytes(reclaimable), percent);
  }
};

template <class T>
Line line_of(const char* type, const std::vector<T>& things, auto is_active) {
  Line out{type, things.size()};
  for (const T& thing : things) {
    out.size += thing.size;
    if (is_active(thing))
      ++out.active;
    else
      out.reclaimable += thing.size;
  }
  return out;
}

std::vector<Line> lines_of(const scheduler::Usage& usage) {
  Line images = line_of("Images", usage.images, [](const auto& i) { return i.containers > 0; });
  images.size = usage.layers;  // layers that images share count once
  images.reclaimable = usage.reclaimable_layers;
  return {images, line_of("Containers", usage.containers, [](const auto& c) { return c.active; }),
          line_of("Local Volumes", usage.volumes, [](const auto& v) { return v.links > 0; })};
}

void print_json(const std::vector<Line>& lines) {
  json::array out;
  for (const Line& l : lines) {
    out.push_back(json::object{{"Type", l.type},
                               {"Total", l.total},
                               {"TotalCount", l.total},
                               {"Active", l.active},
                               {"RawSize", l.size},
                               {"RawReclaimable", l.reclaimable},
                               {"Size", megabytes(l.size)},
                               {"Reclaimable", l.share()}});
  }
  fmt::print("{}\n", json::serialize(out));
}

std::string age_text(int64_t created_ns) {
  return words_of_duration(static_cast<long>(std::time(nullptr) - created_ns / 1'000'000'000)) +
         " ago";
}

void print_details(const scheduler::Usage& usage) {
  std::vector<std::vector<std::string>> images = {{"REPOSITORY:TAG", "IMAGE ID", "CREATED", "SIZE",
                                                   "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"}};
  for (const auto& i : usage.images) {
    images.push_back({i.names.empty() ? "<none>" : fmt::format("{}", fmt::join(i.names, ",")),
                      i.id.substr(0, 12), i.created.substr(0, 10), megabytes(i.size),
                      megabytes(i.shared), megabytes(i.size - i.shared),
                      std::to_string(i.containers)});
  }
  std::vector<std::vector<std::string>> containers = {
      {"CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"}};
  for (const auto& c : usage.containers) {
    containers.push_back({c.id.substr(0, 12), c.image, c.command, std::to_string(c.volumes),
                          megabytes(c.size), age_text(c.created_ns), c.status, c.name});
  }
  std::vector<std::vector<std::string>> volumes = {{"VOLUME NAME", "LINKS", "SIZE"}};
  for (const auto& v : usage.volumes)
    volumes.push_back({v.name, std::to_string(v.links), megabytes(v.size)});
  fmt::print("Images space usage:\n\n{}\nContainers space usage:\n\n{}\n", format_table(images),
             format_table(containers));
  fmt::print("Local Volumes space usage:\n\n{}", format_table(volumes));
}

int disk_usage(bool verbose, const std::string& format) {
  scheduler::Usage usage = scheduler::measure_usage(Roots::from_environment());
  if (format == "json") {
    print_json(lines_of(usage));
    return 0;
  }
  if (verbose) {
    print_details(usage);
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}};
  for (const Line& l : lines_of(usage))
    rows.push_back(
        {l.type, std::to_string(l.total), std::to_string(l.active), megabytes(l.size), l.share()});
  fmt::print("{}", format_table(rows));
  return 0;
}

int check(bool quiet) {
  auto faults = scheduler::check_system(Roots::from_environment());
  for (const auto& fault : faults) fmt::print("{} (hint: {})\n", fault.what, fault.cure);
  if (faults.empty() && !quiet) fmt::print("nothing is wrong\n");
  return faults.empty() ? 0 : 1;
}

// A client that gets no answer to the end of it asks again; a second time does no harm.
int upgrade() {
  Roots roots = Roots::from_environment();
  int failed = 0;
  for (const auto& view : scheduler::view_projects(roots)) {
    const std::string& project = view.name;
    scheduler::ControlClient client(roots, project);
    if (!client.connect(scheduler::Start::never)) continue;
    auto result =
        client.call("/v1/upgrade", {}, [](const json::object&) {}, scheduler::Start::never);
    int code = report(result);
    if (code == 0) fmt::print("{}\n", project);
    failed = std::max(failed, code);
  }
  return failed;
}

// After a reboot. One project's failure keeps no other one down.
int boot() {
  Roots roots = Roots::from_environment();
  int worst = 0;
  for (const auto& view : scheduler::view_projects(roots)) {
    auto containers = scheduler::view_project(roots, view.name);
    bool rebooted = std::ranges::any_of(
        containers, [boot = boot_id()](const auto& c) { return c.row.boot != boot; });
    if (!rebooted) continue;
    try {
      scheduler::ControlClient client(roots, view.name);
      int code = report(client.call(
          "/v1/start", {{"promised", true}}, [](const json::object&) {},
          scheduler::Start::if_missing));
      if (code == 0) fmt::print("{}\n", view.name);
      worst = std::max(worst, code);
    } catch (const Error& e) {
      fmt::print(stderr, "{}: {}\n", view.name, e.what());
      worst = std::max(worst, e.exit_code());
    }
  }
  return worst;
}

bool confirmed(bool all, bool volumes) {
  fmt::print(
      "This removes:\n  - {}\n  - layers that no image has\n{}  - what is left of containers "
      "that are no more\nAre you sure you want to continue? [y/N] ",
      all ? "all images that no container is made of" : "images without a name",
      volumes ? "  - anonymous volumes that no container has\n" : "");
  std::fflush(stdout);
  int answer = std::getchar();
  return answer == 'y' || answer == 'Y';
}

int prune(bool all, bool volumes, bool force) {
  if (!force && !confirmed(all, volumes)) return 1;
  auto pruned = scheduler::prune_system(
      Roots::from_environment(), all ? engine::Prune::unused : engine::Prune::untagged,
      volumes ? scheduler::PruneVolumes::anonymous : scheduler::PruneVolumes::no);
  for (const std::string& name : pruned.images.untagged) fmt::print("untagged: {}\n", name);
  for (const std::string& id : pruned.images.deleted) fmt::print("deleted: {}\n", id);
  for (const std::string& name : pruned.volumes) fmt::print("deleted volume: {}\n", name);
  for (const std::string& path : pruned.leftovers) fmt::print("deleted: {}\n", path);
  if (pruned.images.layers_left)
    fmt::print(stderr, "a pull is going on: prune again takes unused layers away afterwards\n");
  fmt::print("Total reclaimed space: {}\n", megabytes(pruned.freed));
  return 0;
}

}  // namespace

void add_system(CLI::App& app, Run& run) {
  struct Flags {
    bool verbose = false, all = false, volumes = false, force = false, quiet = false;
    std::string format = "table";
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* system = app.add_subcommand("system", "The whole root");
  system->require_subcommand(1);
  CLI::App* df =
      system->add_subcommand("df", "What images, containers and volumes take on the disk");
  df->add_flag("-v,--verbose", flags->verbose, "Each of them");
  df->add_option("--format", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  df->callback([&run, flags] {
    run = [flags] {
      return scheduler::run_inside([&] { return disk_usage(flags->verbose, flags->format); });
    };
  });
  system
      ->add_subcommand("upgrade",
                       "Have running projects looked after by the programs that are installed now")
      ->callback([&run] { run = [] { return upgrade(); }; });
  system
      ->add_subcommand("boot",
                       "After a reboot: start what restart policies promise, and print of "
                       "which projects")
      ->callback([&run] { run = [] { return boot(); }; });
  CLI::App* c = system->add_subcommand(
      "check", "Hold the database against disk and kernel; exits 1 where something is wrong");
  c->add_flag("-q,--quiet", flags->quiet, "Print nothing where nothing is wrong");
  c->callback([&run, flags] {
    run = [flags] { return scheduler::run_inside([&] { return check(flags->quiet); }); };
  });
  CLI::App* p = system->add_subcommand("prune", "Remove what nobody needs");
  p->add_flag("-a,--all", flags->all, "Also images with a name that no container is made of");
  p->add_flag("--volumes", flags->volumes, "Also anonymous volumes that no container has");
  p->add_flag("-f,--force", flags->force, "Do not ask");
  p->callback([&run, flags] {
    run = [flags] {
      return scheduler::run_inside([&] { return prune(flags->all, flags->volumes, flags->force); });
    };
  });
}

}  // namespace pcompose::cli
