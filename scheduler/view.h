// What read-only commands show: rows of the database, held against the kernel. Needs no supervisor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/roots.h"
#include "compose/project.h"
#include "engine/images.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {

struct PublishedPort {
  std::string url;  // host address; "0.0.0.0" and "::" for all of a family
  uint16_t target = 0;
  uint16_t published = 0;  // 0: exposed only
  std::string protocol;
  // "0.0.0.0:8080", "[::]:8080"
  [[nodiscard]] std::string address() const {
    std::string host = url.find(':') == std::string::npos ? url : "[" + url + "]";
    return host + ":" + std::to_string(published);
  }
};

struct ContainerView {
  ContainerRow row;
  std::vector<PublishedPort> ports;
  std::vector<std::string> networks;
  std::map<std::string, std::string> labels;
  std::set<std::string> volumes;  // by their keys in the file; anonymous ones are in the row
  std::string log_directory;
  // Its process is gone and nobody has written down how it ended: a moment's state, or both keeper
  // and supervisor are dead.
  bool unsettled = false;
};

// The containers of a project by name. A row that says "running" whose process is gone (keeper and
// supervisor were both killed) shows as exited. Throws Error.
std::vector<ContainerView> view_project(const Roots& roots, const std::string& project);

struct ProjectView {
  std::string name;
  std::string config_files;              // comma-separated
  std::map<std::string, size_t> states;  // how many containers are in each
};
// Every project of the root, by name.
std::vector<ProjectView> view_projects(const Roots& roots);

struct VolumeView {
  std::string name;
  std::string key;  // in the file; "" where it is anonymous
  std::string mountpoint;
  std::map<std::string, std::string> labels;
};
std::vector<VolumeView> view_volumes(const Roots& roots, const std::string& project);

// The processes in a container's cgroup; empty where it does not run.
std::vector<pid_t> processes_of(const ContainerRow& row);

// One line that a container printed.
struct LogLine {
  std::string time;  // RFC 3339, UTC, nanoseconds
  std::string text;
  bool error = false;  // on stderr
};

// Reads a container's log from where the last call ended.
class LogFollower {
 public:
  explicit LogFollower(const std::string& log_directory);
  LogFollower(LogFollower&&) noexcept;
  ~LogFollower();
  void read_new(const std::function<void(const LogLine&)>& sink);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The stored project; nullopt where it was never up, or is down.
std::optional<compose::Project> stored_project(const Roots& roots, const std::string& project);

// What `image` commands do.
struct ImageView {
  std::string repository, tag, id;
  int64_t size = 0;
  std::string created;
};
std::vector<ImageView> view_images(const Roots& roots);
std::vector<std::string> load_image(const Roots& roots, const std::string& source,
                                    const std::string& name);

}  // namespace pcompose::scheduler
