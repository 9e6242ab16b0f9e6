// Container output from FIFO to log without losing or repeating a line, whatever is killed when.
//
//   FIFO --splice--> staging file (tmpfs) --format--> log file (disk), and one page that says how
//   far
//
// The kernel moves and counts in one step: a staging file's size is what was taken from its FIFO.
// Formatting reads from there and writes at a recorded offset; one store to the page's `sequence`
// commits. Who dies in between leaves an intent (stream, end, time), and its successor does the
// same work over the same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "engine/output/cri.h"
#include "engine/output/log_files.h"

namespace pcompose::engine {

enum class Absorbed {
  some,
  nothing,
  end
};  // bytes came; the FIFO is empty; no writer is left and it is empty

// One container's two streams. Blocking calls on regular files; each takes at most a chunk of 256
// KB.
class Staging {
 public:
  // `directory` is the container's run directory (tmpfs), `log_directory` lies on disk; both exist.
  // Takes up what an earlier process left. Throws Error.
  Staging(const std::string& directory, std::string log_directory, LogLimits limits);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  // Moves what the FIFO holds into the staging file, at most one chunk.
  Absorbed absorb(Stream stream, int fifo);
  // How many bytes are staged, and those from `from` on: what the last absorb() added. Before
  // write_log(), which may begin anew.
  [[nodiscard]] uint64_t staged(Stream stream) const;
  [[nodiscard]] std::string staged_from(Stream stream, uint64_t from) const;
  // Formats whole staged lines to the log. With Tail::final also the rest of a line that will not
  // be completed.
  void write_log(Stream stream, Tail tail);

  // Makes the FIFOs `out` and `err` in `directory` where they are missing: mode 0622, so that a
  // program that reopens /dev/stdout after it changed its user may write (the directory is 0700).
  static void make_fifos(const std::string& directory);
  static std::string fifo_path(const std::string& directory, Stream stream);

 private:
  struct Header;
  struct Slot;
  [[nodiscard]] Slot current() const;
  void commit(const Slot& next);
  void map_header(const std::string& directory);
  void format(Stream stream, uint64_t end, uint64_t time_ns, Tail tail);
  void redo();
  void rotate();
  void open_log();
  void compact(Stream stream);

  std::string log_directory_;
  LogLimits limits_;
  Header* header_ = nullptr;
  Fd stage_[2][2];
  Fd log_;
};

}  // namespace pcompose::engine
