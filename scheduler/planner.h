// From what should be and what is to what to do. Pure functions: the same input gives the same
// text.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compose/project.h"
#include "scheduler/observed.h"
#include "scheduler/plan.h"

namespace pcompose::scheduler {

enum class Recreate { diverged, force, never };

struct UpOptions {
  std::vector<std::string> services;  // empty = all
  bool with_dependencies = true;
  Recreate recreate = Recreate::diverged;
  bool recreate_dependencies = false;  // force is for dependencies of `services`, too
  bool new_volumes = false;            // anonymous ones are not taken over
  bool remove_orphans = false;
  bool all_resources = false;  // networks and volumes that no service uses, too
  bool start = true;
  bool wait = false;
  bool rerun_jobs = false;  // those that completed and are unchanged, too
};

// What decides about an existing container; by service.
struct Desired {
  std::map<std::string, std::string> config_hash;
  std::map<std::string, std::string> image_id;
  // Of volumes of type image: what the file calls the image, and its id.
  std::map<std::string, std::map<std::string, std::string>> mounted_images;
};

Plan plan_up(const compose::Project& project, const Desired& desired, const Observed& observed,
             const UpOptions& options);

// A container of its own beside a service's replicas: `run`.
struct RunOptions {
  compose::Service service;  // as it is to run; its container_name is the container's
  bool remove_orphans = false;
};

// Starts what the service depends on, as `up` would, and then the container, by the conditions. One
// of that name that was created and never started is started: the command was repeated. Throws
// Error where the name is another's.
Plan plan_run(const compose::Project& project, const Desired& desired, const Observed& observed,
              const RunOptions& options);

// What the file of a command has. Commands leave alone what it does not have.
struct Scope {
  std::set<std::string> services;  // those that are to run
  std::set<std::string> inactive;  // those of inactive profiles
  std::set<std::string> volumes;   // names
};

// What a command without a service's name means: where there is no file, everything.
Observed within(const std::optional<Scope>& scope, Observed observed);

struct DownOptions {
  std::vector<std::string> services;  // empty = all; with those that depend on them
  bool volumes = false;
  bool remove_orphans = false;  // what `run` made, too
  std::optional<Scope> scope;
};

// Networks and volumes that are in use by what stays, stay.
Plan plan_down(const compose::Project& project, const Observed& observed,
               const DownOptions& options);

// Containers in reverse dependency order, not removed. Those that `run` made are left alone by all
// plans but plan_down and plan_kill.
Plan plan_stop(const compose::Project& project, const Observed& observed,
               const std::vector<std::string>& services);

// Starts containers that exist and are down, and those that they depend on. Throws Error where a
// named service has none.
Plan plan_start(const compose::Project& project, const Observed& observed,
                const std::vector<std::string>& services);

// Stops and starts containers as they are; dependents with `restart: true` follow.
Plan plan_restart(const compose::Project& project, const Observed& observed,
                  const std::vector<std::string>& services, bool with_dependents);

// A signal for all that are up, in no order.
Plan plan_kill(const Observed& observed, const std::vector<std::string>& services, int signal);
// Throw Error where all that run are paused already, or none is.
Plan plan_pause(const Observed& observed, const std::vector<std::string>& services);
Plan plan_unpause(const Observed& observed, const std::vector<std::string>& services);

// Removes containers that are down; with `stop` those that are up, too.
Plan plan_remove(const compose::Project& project, const Observed& observed,
                 const std::vector<std::string>& services, bool stop);

// True where another service waits for its end.
bool is_job(const compose::Project& project, const std::string& service);

// Containers whose service the project does not have (services of inactive profiles are no
// orphans), and those of `run` that have ended.
std::vector<ObservedContainer> orphans(const compose::Project& project, const Observed& observed);

}  // namespace pcompose::scheduler
