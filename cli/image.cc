#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/image_archive.h"
#include "cli/image_inspect.h"
#include "cli/image_pull.h"
#include "cli/table.h"
#include "scheduler/images.h"
#include "scheduler/namespaces.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

int list(const std::string& format) {
  std::vector<std::vector<std::string>> rows = {{"REPOSITORY", "TAG", "IMAGE ID", "SIZE"}};
  for (const auto& i : scheduler::view_images(Roots::from_environment())) {
    if (format == "json") {
      fmt::print("{}\n", json::serialize(json::object{{"Repository", i.repository},
                                                      {"Tag", i.tag},
                                                      {"ID", i.id},
                                                      {"Size", i.size},
                                                      {"Created", i.created}}));
    }
    rows.push_back({i.repository, i.tag, i.id.substr(0, 12), megabytes(i.size)});
  }
  if (format != "json") fmt::print("{}", format_table(rows));
  return 0;
}

void print_removal(const engine::Removal& removal) {
  for (const std::string& name : removal.untagged) fmt::print("Untagged: {}\n", name);
  for (const std::string& id : removal.deleted) fmt::print("Deleted: {}\n", id);
  if (removal.layers_left)
    fmt::print(stderr, "a pull is going on: image prune takes the layers away afterwards\n");
}

int remove(const std::vector<std::string>& references, bool force) {
  int code = 0;
  for (const std::string& reference : references) {
    try {
      print_removal(scheduler::remove_image(Roots::from_environment(), reference,
                                            force ? engine::Force::yes : engine::Force::no));
    } catch (const Error& e) {
      fmt::print(stderr, "{}\n", e.what());
      code = 1;
    }
  }
  return code;
}

int prune(bool all) {
  auto removal = scheduler::prune_images(Roots::from_environment(),
                                         all ? engine::Prune::unused : engine::Prune::untagged);
  print_removal(removal);
  fmt::print("Total reclaimed space: {}\n", megabytes(removal.freed));
  return 0;
}

int pull(const Globals& globals, const std::string& reference, const std::string& platform,
         bool quiet) {
  PullProgress progress(quiet ? PullProgress::Style::quiet : PullProgress::style_for(globals),
                        {reference});
  auto result =
      scheduler::pull_images(Roots::from_environment(), {{reference, platform}}, progress).at(0);
  if (result.outcome == engine::ImageResult::Outcome::failed)
    throw Error(result.error).hint(result.hint);
  fmt::print("{}\n", result.reference);
  return 0;
}

void add_changes(CLI::App* image, Run& run) {
  struct Flags {
    std::vector<std::string> references;
    std::string from, to;
    bool force = false, all = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* rm = image->add_subcommand("rm", "Remove names and the images that lose their last");
  rm->add_option("images", flags->references, "References or ids")->required();
  rm->add_flag("-f,--force", flags->force,
               "Take names away even where a container needs the image");
  rm->callback([&run, flags] {
    run = [flags] {
      return scheduler::run_inside([&] { return remove(flags->references, flags->force); });
    };
  });
  CLI::App* pr = image->add_subcommand("prune", "Remove images without a name, and unused layers");
  pr->add_flag("-a,--all", flags->all, "Also those with a name that no container is made of");
  pr->add_flag("-f,--force", flags->force, "Never asks, so without effect");
  pr->callback([&run, flags] {
    run = [flags] { return scheduler::run_inside([&] { return prune(flags->all); }); };
  });
  CLI::App* tag = image->add_subcommand("tag", "Give an image another name");
  tag->add_option("source", flags->from, "Reference or id")->required();
  tag->add_option("target", flags->to, "The new name")->required();
  tag->callback([&run, flags] {
    run = [flags] {
      scheduler::tag_image(Roots::from_environment(), flags->from, flags->to);
      return 0;
    };
  });
}

void add_views(CLI::App* image, Run& run) {
  struct Flags {
    std::vector<std::string> references;
    std::string reference;
    bool no_trunc = false, quiet = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* inspect = image->add_subcommand("inspect", "Show what is known about images, as JSON");
  inspect->add_option("images", flags->references, "References or ids")->required();
  inspect->callback([&run, flags] { run = [flags] { return inspect_images(flags->references); }; });
  CLI::App* history = image->add_subcommand("history", "Show how an image was made");
  history->add_option("image", flags->reference, "Reference or id")->required();
  history->add_flag("--no-trunc", flags->no_trunc, "Whole ids and commands");
  history->add_flag("-q,--quiet", flags->quiet, "Only ids");
  history->callback([&run, flags] {
    run = [flags] { return show_history(flags->reference, flags->no_trunc, flags->quiet); };
  });
}

void add_image_pull(CLI::App* image, Globals& globals, Run& run) {
  struct Flags {
    std::string reference, platform;
    bool quiet = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* c = image->add_subcommand("pull", "Pull an image from its registry");
  c->add_option("image", flags->reference, "Reference")->required();
  c->add_option("--platform", flags->platform, "os/architecture[/variant]");
  c->add_flag("-q,--quiet", flags->quiet, "No progress");
  c->callback([&, flags] {
    run = [&, flags] { return pull(globals, flags->reference, flags->platform, flags->quiet); };
  });
}

}  // namespace

void add_image(CLI::App& app, Globals& globals, Run& run) {
  CLI::App* image = app.add_subcommand("image", "Images of this root");
  image->require_subcommand(1);
  add_changes(image, run);
  add_views(image, run);
  add_image_pull(image, globals, run);
  add_image_push(image, globals, run);
  add_image_archives(image, run);
  auto format = std::make_shared<std::string>("table");
  CLI::App* ls = image->add_subcommand("ls", "List images");
  ls->add_option("--format", *format, "table or json")->check(CLI::IsMember({"table", "json"}));
  ls->callback([&run, format] { run = [format] { return list(*format); }; });
}

}  // namespace pcompose::cli
