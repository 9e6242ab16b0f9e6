// Container logs on stdout: merged, with prefixes, once or as they come.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/roots.h"
#include "scheduler/view.h"

namespace pcompose::cli {

struct LogFormat {
  bool no_color = false;
  bool no_prefix = false;
  bool timestamps = false;
  std::optional<size_t> tail;  // per container
};

class LogPrinter {
 public:
  LogPrinter(Roots roots, std::string project, std::vector<std::string> services, LogFormat format);

  // What is in the logs now (the last `tail` lines of each), by time.
  void print_existing();
  // Goes on from there. Returns after something was printed or `timeout_ms` has passed.
  void wait_and_print(int timeout_ms);
  // Skips what is there: an attached `up` shows only what comes.
  void skip_before(const std::string& time) { since_ = time; }
  // Skips what is later: "" shows all.
  void skip_after(const std::string& time) { until_ = time; }
  // Only replicas of this number; 0 is all.
  void only_replica(int number) { number_ = number; }
  // Tells of every container that ends after `since_ns` (of the system's clock): "web-1 exited with
  // code 1".
  void announce_ends(int64_t since_ns) { announce_since_ = since_ns; }
  struct End {
    std::string service;
    int code;
  };
  // Those that were told, in their order; one that is restarted may come again.
  [[nodiscard]] const std::vector<End>& ends() const { return ended_; }
  // Prints these only; the others still count as running.
  void show_only(std::vector<std::string> services) { shown_ = std::move(services); }
  // What came from a container's stderr goes to ours.
  void keep_streams_apart() { streams_apart_ = true; }
  // The prefixes of the containers whose output is printed.
  std::vector<std::string> shown_names();
  // How many of the containers run.
  size_t running();

 private:
  struct Source {
    std::string prefix;
    scheduler::LogFollower reader;
    int watch = -1;
    bool shown = true;
    int64_t finished_ns = 0;
  };
  struct Line {
    const Source* source;
    scheduler::LogLine line;
    size_t order = 0;  // as read
  };
  void refresh();
  std::vector<Line> collect();
  void print(const Line& line) const;

  Roots roots_;
  std::string project_;
  std::vector<std::string> services_;
  LogFormat format_;
  std::string since_, until_;
  int number_ = 0;
  bool streams_apart_ = false;
  size_t width_ = 0;
  size_t running_ = 0;
  std::optional<int64_t> announce_since_;
  std::optional<std::vector<std::string>> shown_;
  std::vector<End> ended_;
  std::string ends_;                       // not told yet
  std::map<std::string, Source> sources_;  // by container id
  Fd inotify_;
};

}  // namespace pcompose::cli
