// What supervisor and keeper say to each other: one SOCK_SEQPACKET message each, a Message and a
// payload, descriptors by SCM_RIGHTS. Plain data without pointers; both ends belong to one build
// (kProtocolVersion).
#pragma once

#include <stdint.h>

namespace pcompose::keeper {

constexpr uint32_t kProtocolVersion = 2;
constexpr uint32_t kMaxInline =
    160U << 10U;  // a longer plan comes as a sealed memfd: net.core.wmem_default
constexpr int kNameBytes = 96;
constexpr int kMaxProcesses = 4096;
constexpr int kMaxDescriptors = 16384;

// Where the keeper finds its socket and the listener it was started with.
constexpr int kSupervisorFd = 3;

enum class Type : uint32_t {
  // supervisor -> keeper
  launch = 1,  // name, payload: plan, descriptors of the plan (a: 1 where the last one is a memfd
               // with the plan)
  start,       // name, payload: start plan for a parked child
  store,       // name, one descriptor: keep it
  drop,        // name: close it
  list,        // answer: entries, then end
  forget,      // name: an ended process whose end was noted
  adopt,       // name, a: pid, c: start time, one pidfd: a process that another keeper started
  supervisor,  // a: pid, one pidfd: watch this supervisor, it is not our child
  quit,        // exit when the supervisor does, start no other
  upgrade,     // execute the program that lies where ours did; it goes on with all we hold
  // keeper -> supervisor
  parked,            // name, a: pid, one pidfd
  started,           // name, a: pid, one pidfd (again: an exec is told of only here)
  failed,            // name, a: op, b: errno, c: 0 launch plan, 1 start plan
  terminal,          // name, one descriptor: the pty's master
  exited,            // name, a: pid, b: wait status, c: 1 where the status is known
  entry_process,     // name, a: pid, b: wait status, c: State | known << 8, a pidfd unless it has
                     // ended
  entry_descriptor,  // name, the descriptor
  end,
};

enum class State : uint32_t { free = 0, launching, parked, starting, running, ended, failed };

struct Message {
  Type type = Type::end;
  uint32_t version = kProtocolVersion;
  int32_t a = 0;
  int32_t b = 0;
  uint64_t c = 0;
  char name[kNameBytes] = {};
};

// A line of the journal `exits` in the project's run directory: written before the supervisor is
// told.
struct JournalEntry {
  char name[kNameBytes] = {};
  int32_t pid = 0;
  int32_t status = 0;
  uint64_t start_time = 0;      // field 22 of /proc/PID/stat
  uint64_t ended_realtime = 0;  // nanoseconds since 1970
};

}  // namespace pcompose::keeper
