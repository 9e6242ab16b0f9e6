// Something that happened to a container. The last ones of every project are kept in the database:
// `events` reads them there, whether a supervisor runs or not.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/database.h"

namespace pcompose::scheduler {

struct ContainerEvent {
  int64_t id = 0;  // rises; 0 until it is written
  int64_t time_ns = 0;
  std::string project, service, container;  // container: its id
  bool one_off = false;
  std::string action;  // as docker names it: create, start, die, "health_status: healthy", …
  std::map<std::string, std::string> attributes;  // name, image, labels, exitCode, signal, …
};

// So many are kept of a project.
constexpr int64_t kEventsKept = 2000;

// Rows of the root's database. Blocking.
class EventRows {
 public:
  explicit EventRows(Database& db);
  // Within the caller's transaction, in their order; the oldest of their project go.
  void write(const std::vector<ContainerEvent>& events);

  struct Window {
    int64_t after_id = 0;
    int64_t since_ns = 0, until_ns = std::numeric_limits<int64_t>::max();  // inclusive
  };
  // In their order.
  [[nodiscard]] std::vector<ContainerEvent> read(const std::string& project, const Window& window);
  // The id of the last event of all; 0 where there is none.
  [[nodiscard]] int64_t last_id();

 private:
  Database& db_;
};

}  // namespace pcompose::scheduler
