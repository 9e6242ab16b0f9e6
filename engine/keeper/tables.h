// The keeper's fixed tables. Nothing allocates: an untouched slot costs no memory.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/keeper/protocol.h"

namespace pcompose::keeper {

// All zero is "free", so that the tables lie in bss. 0 to 2 are our stdio: no descriptor here is
// ever 0.
struct Process {
  State state = State::free;
  int32_t pid = 0;
  int pidfd = 0;
  int channel = 0;  // to the child until it runs its program
  int32_t status = 0;
  bool status_known = false;
  uint64_t start_time = 0;
  char name[kNameBytes] = {};
};

struct Descriptor {
  int fd = 0;
  char name[kNameBytes] = {};
};

// Named slots, the lowest free one first, so that few pages are ever touched.
class Processes {
 public:
  // nullptr where the table is full. A process of that name that has ended (its descriptors are
  // closed) gives its slot up.
  Process* add(const char* name) {
    Process* old = find(name);
    if (old != nullptr && old->state == State::ended) remove(*old);
    for (uint32_t i = 0; i < kMaxProcesses; ++i) {
      if (slots_[i].state != State::free) continue;
      slots_[i] = Process{};
      slots_[i].state = State::launching;
      memcpy(slots_[i].name, name, kNameBytes);
      if (i >= used_) used_ = i + 1;
      return &slots_[i];
    }
    return nullptr;
  }
  Process* find(const char* name) {
    for (uint32_t i = 0; i < used_; ++i) {
      Process& p = slots_[i];
      // A failed one only waits to be reaped; the name may already be another's.
      if (p.state != State::free && p.state != State::failed && strcmp(p.name, name) == 0)
        return &p;
    }
    return nullptr;
  }
  // Its descriptors are the caller's to close first.
  void remove(Process& p) {
    p.state = State::free;
    while (used_ > 0 && slots_[used_ - 1].state == State::free) --used_;
  }
  Process& at(uint32_t index) { return slots_[index < kMaxProcesses ? index : 0]; }
  uint32_t index(const Process& p) const { return static_cast<uint32_t>(&p - slots_); }
  // An event will tell of this child of ours, or may: what is being launched goes on in a sibling
  // (fork_sibling), which may have ended before we hear that it is there. Reaped too early, its end
  // would never be told.
  bool expects(int pid) {
    bool expected = false;
    all([&](const Process& p) {
      bool launching = p.channel > 0 && (p.state == State::launching || p.state == State::failed);
      expected = expected || launching || p.pid == pid;
    });
    return expected;
  }
  template <class F>
  void each(F f) {
    all([&](Process& p) {
      if (p.state != State::failed) f(p);
    });
  }
  // Those, too, that only wait to be reaped.
  template <class F>
  void all(F f) {
    for (uint32_t i = 0; i < used_; ++i) {
      if (slots_[i].state != State::free) f(slots_[i]);
    }
  }

 private:
  Process slots_[kMaxProcesses];
  uint32_t used_ = 0;
};

class Descriptors {
 public:
  // Takes `fd` over where it returns true; one of the same name is replaced.
  bool add(const char* name, int fd) {
    remove(name);
    for (uint32_t i = 0; i < kMaxDescriptors; ++i) {
      if (slots_[i].fd > 0) continue;
      slots_[i].fd = fd;
      strncpy(slots_[i].name, name, kNameBytes - 1);
      slots_[i].name[kNameBytes - 1] = 0;
      if (i >= used_) used_ = i + 1;
      return true;
    }
    return false;
  }
  void remove(const char* name) {
    for (uint32_t i = 0; i < used_; ++i) {
      if (slots_[i].fd <= 0 || strcmp(slots_[i].name, name) != 0) continue;
      close(slots_[i].fd);
      slots_[i].fd = 0;
    }
    while (used_ > 0 && slots_[used_ - 1].fd <= 0) --used_;
  }
  template <class F>
  void each(F f) {
    for (uint32_t i = 0; i < used_; ++i) {
      if (slots_[i].fd > 0) f(slots_[i]);
    }
  }

 private:
  Descriptor slots_[kMaxDescriptors];
  uint32_t used_ = 0;
};

// Field 22 of /proc/PID/stat; 0 where it cannot be read.
inline uint64_t start_time_of(int pid) {
  char path[32] = "/proc/";
  char digits[12];
  int count = 0;
  for (int rest = pid; rest > 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
  size_t at = strlen(path);
  while (count > 0) path[at++] = digits[--count];
  strcpy(path + at, "/stat");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[1024];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  char* field = strrchr(text, ')');  // the command's name may hold anything
  for (int i = 2; field != nullptr && i < 22; ++i) field = strchr(field + 1, ' ');
  return field == nullptr ? 0 : strtoull(field, nullptr, 10);
}

}  // namespace pcompose::keeper
