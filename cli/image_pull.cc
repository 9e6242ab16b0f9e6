#include "cli/image_pull.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/table.h"

namespace pcompose::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

size_t terminal_rows() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 4) return 24;
  return size.ws_row;
}

std::string result_line(const std::string& name, const engine::ImageResult& result) {
  using Outcome = engine::ImageResult::Outcome;
  const char* word = result.outcome == Outcome::pulled    ? "Pulled"
                     : result.outcome == Outcome::current ? "Pulled (was up to date)"
                                                          : "Error";
  std::string line = fmt::format(" Image {} {}", name, word);
  return result.outcome == Outcome::failed ? line + ": " + result.error : line;
}

}  // namespace

PullProgress::Style PullProgress::style_for(const Globals& globals) {
  if (globals.progress == "quiet") return Style::quiet;
  if (globals.progress == "tty") return Style::terminal;
  if (globals.progress != "auto" || globals.ansi == "never") return Style::lines;
  return ::isatty(STDERR_FILENO) == 1 ? Style::terminal : Style::lines;
}

PullProgress::PullProgress(Style style, std::vector<std::string> images, Direction direction)
    : style_(style), direction_(direction), images_(std::move(images)) {
  if (style_ == Style::quiet) return;
  const char* word = direction_ == Direction::pull ? "Pulling" : "Pushing";
  for (const std::string& name : images_) fmt::print(stderr, " Image {} {}\n", name, word);
}

const char* PullProgress::moving() const {
  return direction_ == Direction::pull ? "Downloading" : "Uploading";
}

// Above the lines that are redrawn.
void PullProgress::print(const std::string& line) {
  if (style_ == Style::quiet) return;
  if (drawn_ > 0) fmt::print(stderr, "\033[{}A\033[J", drawn_);
  drawn_ = 0;
  fmt::print(stderr, "{}\n", line);
}

void PullProgress::redraw(bool at_once) {
  Instant now = std::chrono::steady_clock::now();
  if (style_ != Style::terminal || (!at_once && now - redrawn_ < kRedraw)) return;
  redrawn_ = now;
  std::string text = drawn_ > 0 ? fmt::format("\033[{}A\033[J", drawn_) : "";
  drawn_ = 0;
  size_t room = terminal_rows() - 2;
  for (const std::string& digest : order_) {
    const Layer& layer = layers_.at(digest);
    if (layer.state != LayerState::downloading || drawn_ == room) continue;
    text += fmt::format(" {}  {}  {:>9} / {:<9} {:>9}/s\n", digest.substr(0, 12), moving(),
                        megabytes(layer.received), megabytes(layer.size),
                        megabytes(static_cast<int64_t>(layer.rate)));
    ++drawn_;
  }
  fmt::print(stderr, "{}", text);
}

void PullProgress::layer(const std::string& digest, LayerState state, int64_t received,
                         int64_t size) {
  auto [found, fresh] = layers_.try_emplace(digest);
  Layer& layer = found->second;
  if (fresh) order_.push_back(digest);
  bool changed = fresh || state != layer.state;
  Instant now = std::chrono::steady_clock::now();
  if (changed && state == LayerState::downloading) layer.began = now;
  layer.state = state;
  layer.received = received;
  layer.size = size;
  std::chrono::duration<double> taken = now - layer.began;
  if (state == LayerState::downloading && taken.count() > 0.05)
    layer.rate = static_cast<double>(received) / taken.count();
  std::string id = digest.substr(0, 12);
  if (changed && state == LayerState::present) print(fmt::format(" {} Already exists", id));
  if (changed && state == LayerState::skipped)
    print(fmt::format(" {} Skipped: it may not be distributed", id));
  if (changed && state == LayerState::done) print(fmt::format(" {} Done {}", id, megabytes(size)));
  if (changed && state == LayerState::downloading && style_ == Style::lines)
    print(fmt::format(" {} {} {}", id, moving(), megabytes(size)));
  redraw(changed);
}

void PullProgress::image(const engine::ImageResult& result) {
  std::string line = result_line(images_.at(result.index), result);
  bool pushed =
      direction_ == Direction::push && result.outcome == engine::ImageResult::Outcome::pulled;
  print(pushed ? fmt::format(" Image {} Pushed", images_.at(result.index)) : line);
  redraw(true);
}

compose::Project select_services(const compose::Project& project,
                                 const std::vector<std::string>& names,
                                 compose::Dependencies dependencies) {
  compose::Project out = project;
  auto wanted = compose::ServiceGraph(project).selection(names, dependencies);
  std::erase_if(out.services, [&](const auto& service) {
    return std::ranges::find(wanted, service.first) == wanted.end();
  });
  return out;
}

void provide_images(const Globals& globals, const Roots& roots, const compose::Project& project,
                    const std::string& policy, PullProgress::Style style) {
  std::vector<Diagnostic> diagnostics;
  std::set<std::string> told;
  auto complain = [&](const std::string& service, const std::string& message) {
    told.insert(service);
    diagnostics.push_back(
        {project.services.at(service).origin("image"), "services." + service + ".image", message});
  };
  auto [needed, absent] = scheduler::images_needed(roots, project, policy);
  std::vector<engine::ImageWish> wishes;
  std::vector<std::string> names;
  for (const auto& image : needed) {
    wishes.push_back(image.wish);
    names.push_back(image.wish.reference);
  }
  if (!wishes.empty() && globals.dry_run) {
    for (const std::string& name : names) fmt::print("DRY-RUN MODE - pull {}\n", name);
  } else if (!wishes.empty()) {
    PullProgress progress(style, names);
    auto results = scheduler::pull_images(roots, wishes, progress);
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].outcome != engine::ImageResult::Outcome::failed) continue;
      std::string hint = results[i].hint.empty() ? "" : " (hint: " + results[i].hint + ")";
      for (const std::string& service : needed[i].services)
        complain(service, results[i].error + hint);
    }
  }
  if (globals.dry_run) return;
  for (const auto& [name, image] : absent) {
    if (told.contains(name)) continue;
    complain(name, "there is no image " + image + " here, and its pull policy forbids to pull it");
  }
  if (!diagnostics.empty()) throw ComposeError(std::move(diagnostics));
}

namespace {

struct PullFlags {
  std::string policy;
  bool ignore_failures = false, include_deps = false, quiet = false, ignore_buildable = false;
  bool parallel = true, no_parallel = false;
  std::vector<std::string> services;
};

// docker compose: an explicit pull asks for everything that no policy forbids; `missing` leaves out
// what is here, but for "latest".
std::string policy_of_pull(const compose::Service& service, const PullFlags& flags) {
  std::string policy = flags.policy.empty() ? service.pull_policy : flags.policy;
  bool forbidden = service.pull_policy == "never" || service.pull_policy == "build";
  if (forbidden && flags.policy.empty()) return "never";
  if (policy != "missing" && policy != "if_not_present") return "always";
  std::string normal = engine::normalise_reference(service.image);
  return normal.ends_with(":latest") ? "always" : "missing";
}

// What is not pulled, and why, in docker compose's words.
void tell_skipped(const compose::Project& project,
                  const std::vector<scheduler::NeededImage>& needed) {
  std::set<std::string> told;
  for (const auto& image : needed) told.insert(image.wish.reference);
  for (const auto& [name, service] : project.services) {
    if (service.image.empty()) {
      fmt::print(stderr, " Service {} Skipped No image to be pulled\n", name);
    } else if (service.pull_policy == "missing" && told.insert(service.image).second) {
      fmt::print(stderr, " Image {} Skipped Image is already present locally\n", service.image);
    }
  }
}

int pull(const Globals& globals, const PullFlags& flags) {
  compose::Project project = select_services(
      load_what_is_there(globals, flags.services), flags.services,
      flags.include_deps ? compose::Dependencies::with : compose::Dependencies::without);
  for (auto& [name, service] : project.services) {
    if (service.image.empty()) continue;
    service.pull_policy = policy_of_pull(service, flags);
    if (service.build && flags.ignore_buildable) service.pull_policy = "never";
  }
  Roots roots = Roots::from_environment();
  auto needed = scheduler::images_needed(roots, project, "").to_pull;
  if (!flags.quiet) tell_skipped(project, needed);
  std::vector<engine::ImageWish> wishes;
  std::vector<std::string> names;
  for (const auto& image : needed) {
    wishes.push_back(image.wish);
    names.push_back(image.wish.reference);
  }
  if (globals.dry_run) {
    for (const std::string& name : names) fmt::print("DRY-RUN MODE - pull {}\n", name);
    return 0;
  }
  if (wishes.empty()) return 0;
  PullProgress progress(flags.quiet ? PullProgress::Style::quiet : PullProgress::style_for(globals),
                        names);
  auto results = scheduler::pull_images(roots, wishes, progress);
  bool failed = false;
  std::string to_build;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].outcome != engine::ImageResult::Outcome::failed) continue;
    const auto& service = project.services.at(needed[i].services.front());
    std::string remedy = service.build ? "; it must be built from source" : "";
    fmt::print(stderr, "{}{}\n",
               Diagnostic{service.origin("image"), "services." + service.name + ".image",
                          results[i].error + remedy +
                              (results[i].hint.empty() ? "" : " (hint: " + results[i].hint + ")")}
                   .str(),
               flags.ignore_failures ? " [ignored]" : "");
    failed = true;
    if (service.build) to_build += " " + service.name;
  }
  if (!to_build.empty() && flags.ignore_failures) {
    fmt::print(
        stderr,
        "Some service image(s) must be built from source by running:\n    pcompose build{}\n",
        to_build);
  }
  return failed && !flags.ignore_failures ? 1 : 0;
}

}  // namespace

void add_pull(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<PullFlags>();
  CLI::App* c = app.add_subcommand("pull", "Pull the images of services");
  c->add_option("--policy", flags->policy, "missing or always")
      ->check(CLI::IsMember({"missing", "always"}));
  c->add_flag("--ignore-pull-failures", flags->ignore_failures, "Go on, and exit 0");
  c->add_flag("--include-deps", flags->include_deps, "Also what the services depend on");
  c->add_flag("--ignore-buildable", flags->ignore_buildable, "Leave out what can be built");
  c->add_flag("-q,--quiet", flags->quiet, "No progress");
  c->add_flag("--parallel", flags->parallel, "Always so")->group("");
  c->add_flag("--no-parallel", flags->no_parallel, "Without effect")->group("");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return pull(globals, *flags); }; });
}

}  // namespace pcompose::cli
