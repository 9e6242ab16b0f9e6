#include "engine/output/log_tail.h"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {

void LogReader::read_file_from(uint32_t generation,
                               const std::function<void(const LogLine&)>& sink) {
  std::string path = directory_ + "/" + log_file_name(generation);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return;  // rotated away between listing and opening
  if (!fd) throw Error::from_errno("open the log " + path);
  std::string block(256U << 10U, '\0');
  std::string rest;
  for (;;) {
    ssize_t n =
        ::pread(fd.get(), block.data(), block.size(), static_cast<off_t>(offset_ + rest.size()));
    if (n <= 0) return;
    rest.append(block.data(), static_cast<size_t>(n));
    size_t used = 0;
    for (size_t end; (end = rest.find('\n', used)) != std::string::npos; used = end + 1) {
      auto record = parse_record(std::string_view(rest).substr(used, end - used));
      if (!record) continue;
      std::string& partial = partial_[static_cast<unsigned>(record->stream)];
      partial += record->text;
      if (!record->complete) continue;
      sink({std::string(record->time), record->stream, std::move(partial)});
      partial.clear();
    }
    offset_ += used;
    rest.erase(0, used);
  }
}

void LogReader::read_new(const std::function<void(const LogLine&)>& sink) {
  for (uint32_t generation : log_generations(directory_)) {
    if (generation < generation_) continue;
    if (generation > generation_) {
      generation_ = generation;
      offset_ = 0;
    }
    read_file_from(generation, sink);
  }
}

std::vector<std::string> last_lines(const std::string& directory, size_t count) {
  std::deque<std::string> lines;
  LogReader(directory).read_new([&](const LogLine& line) {
    lines.push_back(line.text);
    if (lines.size() > count) lines.pop_front();
  });
  return {lines.begin(), lines.end()};
}

}  // namespace pcompose::engine
