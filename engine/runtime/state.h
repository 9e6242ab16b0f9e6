// What is kept of a container between two commands: a directory of its own below the root.
//
//   ROOT/ID/state.json    who it is
//   ROOT/ID/config.json   the description as it was at create: later changes do not count
//   ROOT/ID/steps         what each operation of its plan does, for the errors of `start`
//   ROOT/ID/start         the socket its parked process waits at; gone once it was started
//   ROOT/.seccomp/        compiled filters
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/pidfd.h"
#include "engine/runtime/control_group.h"

namespace pcompose::engine::runtime {

enum class Status { creating, created, running, paused, stopped };
const char* name_of(Status status);

struct ContainerRecord {
  std::string id;
  std::string oci_version;
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339
  std::map<std::string, std::string> annotations;
  pid_t pid = 0;
  uint64_t start_time = 0;
  ControlGroup group;
};

// The default: /run/pcompose-runtime, or below XDG_RUNTIME_DIR for an ordinary user. Throws Error.
std::string default_state_root();

// Letters, digits and _+-., and not . or .. Throws Error.
void check_id(const std::string& id);

// One container's directory. Methods throw Error.
class StateDirectory {
 public:
  // Makes it; fails where there is one.
  static StateDirectory make(const std::string& root, const std::string& id);
  static StateDirectory open(const std::string& root, const std::string& id);
  static std::vector<std::string> list(const std::string& root);

  [[nodiscard]] ContainerRecord load() const;
  void save(const ContainerRecord& record) const;
  [[nodiscard]] std::string read(const std::string& file) const;
  void write(const std::string& file, const std::string& text) const;
  void lock() const;    // one command at a time; released with the object
  void remove() const;  // everything of it

  // The socket of the parked process.
  [[nodiscard]] Fd listen() const;
  [[nodiscard]] Fd connect() const;  // fails where nobody waits
  [[nodiscard]] bool waits_for_start() const;
  void forget_start() const;

 private:
  StateDirectory(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  Fd fd_;
};

// The process, if it is still the one of the record.
std::optional<Pidfd> live_process(const ContainerRecord& record);
Status status_of(const StateDirectory& directory, const ContainerRecord& record);

// The state document of the spec (runtime, "State"), for hooks and the command `state`.
std::string state_document(const ContainerRecord& record, Status status);

}  // namespace pcompose::engine::runtime
