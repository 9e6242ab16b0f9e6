// Where the time of an `up` went: what each container was doing when, and what all waited for.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "compose/project.h"

namespace pcompose::cli {

class Timeline {
 public:
  Timeline(const compose::Project& project, int64_t began_ns)
      : project_(project), began_ns_(began_ns) {}

  // The images were there at this time.
  void pulled(int64_t time_ns) { pulled_ns_ = time_ns; }
  // A line of the command's progress (docs/protocol.md): operations and events.
  void add(const json::object& line);

  // A drawing: a row a container, the critical path in red, the advice below.
  [[nodiscard]] std::string svg() const;
  // Chrome's trace format ("Trace Event Format"), for chrome://tracing and ui.perfetto.dev.
  [[nodiscard]] std::string trace() const;
  // What the slowest chain waited for, in words: "web waited 4.9 s for db …".
  [[nodiscard]] std::vector<std::string> advice() const;

 private:
  struct Probe {
    int64_t began = 0, ended = 0;  // nanoseconds since 1970, as all times here
    bool ok = false;
  };
  struct Row {
    std::string service, name;
    int64_t prepare = 0, prepared = 0, start = 0, started = 0, listening = 0, healthy = 0,
            ended = 0;
    std::vector<Probe> probes;
  };
  // Who is waited for, and since when the waiting one was ready for it.
  struct Hop {
    const Row* row;
    const Row* waiter = nullptr;
    compose::Condition condition = compose::Condition::service_started;
  };
  Row& row(const std::string& name);
  void operation(const json::object& line);
  void event(const json::object& line);
  [[nodiscard]] int64_t ready(const Row& row, compose::Condition condition) const;
  [[nodiscard]] const Row* slowest(const std::string& service, compose::Condition condition) const;
  [[nodiscard]] int64_t end(const Row& row) const;
  [[nodiscard]] int64_t last() const;
  [[nodiscard]] std::vector<Hop> critical_path() const;
  struct Scale;
  [[nodiscard]] std::string draw(const Row& row, double y, const Scale& x) const;
  [[nodiscard]] std::string draw_path(const std::map<const Row*, double>& places,
                                      const Scale& x) const;
  [[nodiscard]] std::string reason(const Hop& hop) const;

  const compose::Project& project_;
  int64_t began_ns_;
  int64_t pulled_ns_ = 0;
  std::map<std::string, Row> rows_;  // by container
};

}  // namespace pcompose::cli
