// push, and image push.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/image_pull.h"
#include "scheduler/image_transfer.h"

namespace pcompose::cli {
namespace {

using Outcome = engine::ImageResult::Outcome;

struct PushFlags {
  bool ignore_failures = false, include_deps = false, quiet = false;
  std::vector<std::string> services;
};

// What a service's image is called, and who says so.
struct Wanted {
  engine::PushWish wish;
  const compose::Service* service = nullptr;
};

// docker compose: what is built here is pushed, under its image's name and the build's tags.
std::vector<Wanted> wanted_images(const compose::Project& project) {
  std::vector<Wanted> out;
  auto add = [&](const compose::Service& service, const std::string& name) {
    bool known =
        std::ranges::any_of(out, [&](const Wanted& w) { return w.wish.destination == name; });
    if (!known) out.push_back({{service.image, name}, &service});
  };
  for (const auto& [name, service] : project.services) {
    if (!service.build || service.image.empty()) {
      fmt::print(stderr, " Service {} Skipped\n", name);
      continue;
    }
    add(service, service.image);
    for (const std::string& tag : service.build->tags) add(service, tag);
  }
  return out;
}

void complain(const Wanted& wanted, const engine::ImageResult& result, bool ignored) {
  const compose::Service& service = *wanted.service;
  std::string hint = result.hint.empty() ? "" : " (hint: " + result.hint + ")";
  Diagnostic diagnostic{service.origin("image"), "services." + service.name + ".image",
                        result.error + hint};
  fmt::print(stderr, "{}{}\n", diagnostic.str(), ignored ? " [ignored]" : "");
}

int push(const Globals& globals, const PushFlags& flags) {
  compose::Project project = select_services(
      load_what_is_there(globals, flags.services), flags.services,
      flags.include_deps ? compose::Dependencies::with : compose::Dependencies::without);
  std::vector<Wanted> wanted = wanted_images(project);
  std::vector<engine::PushWish> wishes;
  std::vector<std::string> names;
  for (const Wanted& w : wanted) {
    wishes.push_back(w.wish);
    names.push_back(w.wish.destination);
  }
  if (globals.dry_run) {
    for (const std::string& name : names) fmt::print("DRY-RUN MODE - push {}\n", name);
    return 0;
  }
  if (wishes.empty()) return 0;
  PullProgress progress(flags.quiet ? PullProgress::Style::quiet : PullProgress::style_for(globals),
                        names, PullProgress::Direction::push);
  bool failed = false;
  try {
    for (const auto& result : scheduler::push_images(Roots::from_environment(), wishes, progress)) {
      if (result.outcome != Outcome::failed) continue;
      complain(wanted.at(result.index), result, flags.ignore_failures);
      failed = true;
    }
  } catch (const Error& e) {
    if (!flags.ignore_failures) throw;
    fmt::print(stderr, "{} [ignored]\n", e.what());
  }
  return failed && !flags.ignore_failures ? 1 : 0;
}

int push_one(const Globals& globals, const engine::PushWish& wish, bool quiet) {
  std::string name = wish.destination.empty() ? wish.reference : wish.destination;
  PullProgress progress(quiet ? PullProgress::Style::quiet : PullProgress::style_for(globals),
                        {name}, PullProgress::Direction::push);
  auto result = scheduler::push_images(Roots::from_environment(), {wish}, progress).at(0);
  if (result.outcome == Outcome::failed) throw Error(result.error).hint(result.hint);
  fmt::print("{}\n", result.digest);
  return 0;
}

}  // namespace

void add_image_push(CLI::App* image, Globals& globals, Run& run) {
  struct Flags {
    engine::PushWish wish;
    bool quiet = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* c = image->add_subcommand("push", "Push an image to a registry; prints its digest");
  c->add_option("image", flags->wish.reference, "Reference or id")->required();
  c->add_option("destination", flags->wish.destination, "What to call it there");
  c->add_flag("-q,--quiet", flags->quiet, "No progress");
  c->callback(
      [&, flags] { run = [&, flags] { return push_one(globals, flags->wish, flags->quiet); }; });
}

void add_push(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<PushFlags>();
  CLI::App* c = app.add_subcommand("push", "Push the images that services build");
  c->add_flag("--ignore-push-failures", flags->ignore_failures, "Go on, and exit 0");
  c->add_flag("--include-deps", flags->include_deps, "Also what the services depend on");
  c->add_flag("-q,--quiet", flags->quiet, "No progress");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return push(globals, *flags); }; });
}

}  // namespace pcompose::cli
