#include "cli/log_printer.h"

#include <algorithm>
#include <cstdio>
#include <poll.h>
#include <sys/inotify.h>
#include <tuple>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::cli {
namespace {

constexpr const char* kColors[] = {"36",   "33",   "32",   "35",   "34",
                                   "36;1", "33;1", "32;1", "35;1", "34;1"};

std::string short_name(const scheduler::ContainerRow& row) {
  // "_" is --compatibility's.
  for (const char* between : {"-", "_"}) {
    std::string own = row.project + between;
    if (row.name.starts_with(own)) return row.name.substr(own.size());
  }
  return row.name;
}

}  // namespace

LogPrinter::LogPrinter(Roots roots, std::string project, std::vector<std::string> services,
                       LogFormat format)
    : roots_(std::move(roots)),
      project_(std::move(project)),
      services_(std::move(services)),
      format_(format),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!inotify_) throw Error::from_errno("watch the logs");
  const char* plain = std::getenv("NO_COLOR");
  if (::isatty(STDOUT_FILENO) == 0 || (plain != nullptr && *plain != '\0')) format_.no_color = true;
}

void LogPrinter::refresh() {
  running_ = 0;
  for (auto& view : scheduler::view_project(roots_, project_)) {
    const auto& row = view.row;
    bool named = services_.empty() ||
                 std::find(services_.begin(), services_.end(), row.service) != services_.end();
    if (!named || row.one_off || (number_ > 0 && row.number != number_)) continue;
    bool up = row.status != scheduler::Status::created && row.status != scheduler::Status::exited;
    if (up) ++running_;
    auto found = sources_.find(row.id);
    if (found == sources_.end()) {
      Source source{short_name(row), scheduler::LogFollower(view.log_directory)};
      source.shown =
          !shown_ || std::find(shown_->begin(), shown_->end(), row.service) != shown_->end();
      if (source.shown) width_ = std::max(width_, source.prefix.size());
      source.watch =
          ::inotify_add_watch(inotify_.get(), view.log_directory.c_str(), IN_MODIFY | IN_CREATE);
      found = sources_.emplace(row.id, std::move(source)).first;
    }
    Source& source = found->second;
    if (!announce_since_ || row.finished_ns <= std::max(source.finished_ns, *announce_since_))
      continue;
    source.finished_ns = row.finished_ns;
    ended_.push_back({row.service, row.exit_code});
    if (source.shown)
      ends_ += fmt::format("{} exited with code {}\n", source.prefix, row.exit_code);
  }
}

std::vector<LogPrinter::Line> LogPrinter::collect() {
  std::vector<Line> lines;
  for (auto& [id, source] : sources_) {
    source.reader.read_new([&, own = &source](const scheduler::LogLine& line) {
      bool in_time = line.time >= since_ && (until_.empty() || line.time <= until_);
      if (own->shown && in_time) lines.push_back({own, line, lines.size()});
    });
  }
  // A container's own order stays; between containers the time decides.
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.line.time, a.order) < std::tie(b.line.time, b.order);
  });
  return lines;
}

void LogPrinter::print(const Line& line) const {
  std::string out;
  if (!format_.no_prefix) {
    auto place = std::distance(
        sources_.begin(), std::find_if(sources_.begin(), sources_.end(),
                                       [&](const auto& s) { return &s.second == line.source; }));
    // A space more than the longest, as docker compose has it: who cuts by columns finds the same.
    std::string prefix = fmt::format("{:<{}}  | ", line.source->prefix, width_);
    bool color = !format_.no_color;
    out = color ? fmt::format("\x1b[{}m{}\x1b[0m",
                              kColors[static_cast<size_t>(place) % std::size(kColors)], prefix)
                : prefix;
  }
  if (format_.timestamps) out += line.line.time + " ";
  out += line.line.text + "\n";
  FILE* to = line.line.error && streams_apart_ ? stderr : stdout;
  // Both may be one terminal: what was printed first is to be seen first.
  if (to == stderr) std::fflush(stdout);
  std::fwrite(out.data(), 1, out.size(), to);
}

void LogPrinter::print_existing() {
  refresh();
  auto lines = collect();
  std::map<const Source*, size_t> left;
  for (const Line& l : lines) ++left[l.source];
  for (const Line& l : lines) {
    if (!format_.tail || left[l.source] <= *format_.tail) print(l);
    --left[l.source];
  }
  std::fflush(stdout);
}

void LogPrinter::wait_and_print(int timeout_ms) {
  pollfd wake{inotify_.get(), POLLIN, 0};
  if (::poll(&wake, 1, timeout_ms) > 0) {
    char events[16384];
    while (::read(inotify_.get(), events, sizeof events) > 0) continue;
  }
  refresh();
  for (const Line& l : collect()) print(l);
  std::fwrite(ends_.data(), 1, ends_.size(), stdout);
  ends_.clear();
  std::fflush(stdout);
}

std::vector<std::string> LogPrinter::shown_names() {
  refresh();
  std::vector<std::string> names;
  for (const auto& [id, source] : sources_) {
    if (source.shown) names.push_back(source.prefix);
  }
  std::ranges::sort(names);
  return names;
}

size_t LogPrinter::running() { return running_; }

}  // namespace pcompose::cli
