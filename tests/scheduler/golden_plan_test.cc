// The plans of tests/scheduler/plans/*.txt: a file, a state, a command, and what --dry-run prints.
//
//   === title
//   the compose file, on as many lines as it takes
//   --- what is there, a thing a line: `web-1 running`, with `old` (another configuration),
//       `old-image`, `exit 3`, `healthy`, `run` (a one-off container), `of SERVICE`, `on NETWORK`,
//       `mounts VOLUME`; `network NAME HOW-IT-IS-TO-BE`, `volume NAME`, with `anonymous` or
//       `relabelled`; both `missing`
//   --- a command: up, down, start, stop, restart, kill, pause, unpause, rm, with its options;
//       `-p` instead of the file
//   the plan
//
// PCOMPOSE_WRITE_PLANS=1 writes what comes out into the files: read the difference before keeping
// it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "compose/load.h"
#include "scheduler/planner.h"

namespace pcompose::scheduler {
namespace {

namespace fs = std::filesystem;

struct Golden {
  std::string title, compose, state, command, plan;
};

std::vector<Golden> read_plans(const fs::path& path) {
  std::istringstream lines(read_file(path.string()));
  std::vector<Golden> out;
  std::string* part = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("=== ")) {
      out.push_back(
          {.title = line.substr(4), .compose = {}, .state = {}, .command = {}, .plan = {}});
      part = &out.back().compose;
    } else if (line == "---") {
      part = &out.back().state;
    } else if (line.starts_with("--- ")) {
      out.back().command = line.substr(4);
      part = &out.back().plan;
    } else if (part != nullptr) {
      *part += line + "\n";
    }
  }
  return out;
}

Status status_of(const std::string& word) {
  return word == "exited" ? Status::exited : status_from_name(word);
}

ObservedContainer container_of(std::istringstream& words, const std::string& replica) {
  size_t dash = replica.rfind('-');
  ObservedContainer c;
  c.service = replica.substr(0, dash);
  c.number = std::stoi(replica.substr(dash + 1));
  c.name = "p-" + replica;
  c.config_hash = "h";
  c.image_id = "i";
  std::string word;
  words >> word;
  c.status = status_of(word);
  while (words >> word) {
    if (word == "old") c.config_hash = "old";
    if (word == "old-image") c.image_id = "old";
    if (word == "healthy") c.health = Health::healthy;
    if (word == "exit") words >> c.exit_code;
    if (word == "run") c.one_off = true;
    if (word == "of") words >> c.service;
    if (word == "on" && words >> word) c.networks.insert(word);
    if (word == "mounts" && words >> word) c.volumes.insert(word);
  }
  return c;
}

Observed observed_of(const std::string& text) {
  Observed out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, name;
    words >> first;
    if (first == "network" && words >> name) {
      std::string change;
      std::getline(words >> std::ws, change);
      if (change == "missing") {
        out.missing_networks.insert(name);
        continue;
      }
      out.networks.insert(name);
      if (!change.empty()) out.changed_networks[name] = change;
    } else if (first == "volume" && words >> name) {
      out.volumes.insert(name);
      std::string word;
      words >> word;
      if (word == "missing") {
        out.volumes.erase(name);
        out.missing_volumes.insert(name);
      }
      if (word == "anonymous") out.anonymous_volumes.insert(name);
      if (word == "relabelled") out.relabelled_volumes.insert(name);
    } else if (!first.empty()) {
      out.containers.push_back(container_of(words, first));
    }
  }
  return out;
}

struct Command {
  std::string verb;
  std::set<std::string> options;
  std::vector<std::string> services;
  explicit Command(const std::string& text) {
    std::istringstream words(text);
    words >> verb;
    for (std::string word; words >> word;) {
      if (word.starts_with("-"))
        options.insert(word);
      else
        services.push_back(word);
    }
  }
  [[nodiscard]] bool has(const char* option) const { return options.contains(option); }
};

Plan plan_of_up(const compose::Project& project, const Observed& observed, const Command& c) {
  UpOptions options;
  options.services = c.services;
  options.with_dependencies = !c.has("--no-deps");
  if (c.has("--force-recreate") || c.has("-V")) options.recreate = Recreate::force;
  if (c.has("--no-recreate")) options.recreate = Recreate::never;
  options.recreate_dependencies = c.has("--always-recreate-deps");
  options.new_volumes = c.has("-V");
  options.remove_orphans = c.has("--remove-orphans");
  options.start = !c.has("--no-start");
  options.wait = c.has("--wait");
  Desired desired;
  for (const auto& [name, service] : project.services) {
    desired.config_hash[name] = "h";
    desired.image_id[name] = "i";
  }
  return plan_up(project, desired, observed, options);
}

std::optional<Scope> scope_of(const compose::Project& project, const Command& c) {
  if (c.has("-p")) return std::nullopt;
  Scope scope;
  for (const auto& [name, service] : project.services) scope.services.insert(name);
  for (const auto& [name, service] : project.disabled_services) scope.inactive.insert(name);
  for (const auto& [key, volume] : project.volumes) scope.volumes.insert(volume.name);
  return scope;
}

Plan plan_of(const compose::Project& project, const Observed& all, const Command& c) {
  if (c.verb == "up") return plan_of_up(project, all, c);
  auto scope = scope_of(project, c);
  if (c.verb == "down") {
    return plan_down(project, all,
                     {.services = c.services,
                      .volumes = c.has("-v"),
                      .remove_orphans = c.has("--remove-orphans"),
                      .scope = scope});
  }
  Observed observed = within(scope, all);
  if (c.verb == "stop") return plan_stop(project, observed, c.services);
  if (c.verb == "start") return plan_start(project, observed, c.services);
  if (c.verb == "restart") return plan_restart(project, observed, c.services, !c.has("--no-deps"));
  if (c.verb == "kill") return plan_kill(observed, c.services, 9);
  if (c.verb == "pause") return plan_pause(observed, c.services);
  if (c.verb == "unpause") return plan_unpause(observed, c.services);
  if (c.verb == "rm") return plan_remove(project, observed, c.services, c.has("-s"));
  throw std::runtime_error("no command " + c.verb);
}

std::string outcome(const Golden& golden) {
  fs::path file = fs::path(testing::TempDir()) / "compose.yaml";
  std::ofstream(file) << "name: p\n" << golden.compose;
  compose::LoadOptions options;
  options.files = {file.string()};
  options.working_directory = testing::TempDir();
  options.unsupported = compose::Unsupported::warn;
  try {
    compose::Project project = compose::load(options, compose::DiskFiles());
    std::string text = plan_of(project, observed_of(golden.state), Command(golden.command)).str();
    return text.empty() ? "nothing\n" : text;
  } catch (const Error& e) {
    return std::string("error: ") + e.what() + "\n";
  }
}

void write_plans(const fs::path& path, const std::vector<Golden>& all) {
  std::ofstream out(path);
  for (const Golden& g : all) {
    out << "=== " << g.title << "\n" << g.compose << "---\n" << g.state << "--- " << g.command;
    out << "\n" << outcome(g);
  }
}

TEST(GoldenPlans, AreWhatTheyWere) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(PLANS)) {
    auto all = read_plans(entry.path());
    if (std::getenv("PCOMPOSE_WRITE_PLANS") != nullptr) write_plans(entry.path(), all);
    count += all.size();
    for (const Golden& g : all) EXPECT_EQ(outcome(g), g.plan) << entry.path() << ": " << g.title;
  }
  EXPECT_GE(count, 80U);
}

}  // namespace
}  // namespace pcompose::scheduler
