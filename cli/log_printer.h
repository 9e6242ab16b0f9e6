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
  // Tells of every container that ends from now on: "web-1 exited with code 1".
  void announce_ends() { announce_ = true; }
  // How many of the containers run.
  size_t running();

 private:
  struct Source {
    std::string prefix;
    scheduler::LogFollower reader;
    int watch = -1;
    bool up = false;
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
  std::string since_;
  size_t width_ = 0;
  size_t running_ = 0;
  bool announce_ = false;
  std::string ends_;                       // not told yet
  std::map<std::string, Source> sources_;  // by container id
  Fd inotify_;
};

}  // namespace pcompose::cli
