#include "scheduler/stop_signal.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <sstream>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/fd.h"

namespace pcompose::scheduler {
namespace {

constexpr int kLooks = 3;

// What stands after "key:" in /proc/PID/status; empty where there is no such line.
std::string field(const std::string& status, const std::string& key) {
  size_t at = status.find("\n" + key + ":\t");
  if (at == std::string::npos) return {};
  at += key.size() + 3;
  return status.substr(at, status.find('\n', at) - at);
}

// proc(5): bit n-1 of a mask is signal n.
bool mask_holds(const std::string& mask, int signal) {
  return (std::stoull(mask, nullptr, 16) >> static_cast<unsigned>(signal - 1) & 1U) != 0;
}

// The system calls that wait for a limited time, and where they have it from. The numbers are
// x86-64's, as everywhere in this file.
enum class Unit { milliseconds, timespec, timeval };
struct TimedCall {
  long number;
  size_t argument;
  Unit unit;
};
constexpr TimedCall kTimedCalls[] = {
    {SYS_nanosleep, 0, Unit::timespec},      {SYS_clock_nanosleep, 2, Unit::timespec},
    {SYS_poll, 2, Unit::milliseconds},       {SYS_ppoll, 2, Unit::timespec},
    {SYS_select, 4, Unit::timeval},          {SYS_pselect6, 4, Unit::timespec},
    {SYS_epoll_wait, 3, Unit::milliseconds}, {SYS_epoll_pwait, 3, Unit::milliseconds},
};

}  // namespace

// One of its threads, at one moment.
struct StopSignal::Thread {
  Thread(const std::string& path, pid_t id, int signal) : tid(id) {
    std::string status = read_file(path + "/status");
    heeds = mask_holds(field(status, "SigCgt"), signal) ||
            mask_holds(field(status, "SigBlk"), signal);  // for sigwait(3) or a signalfd(2)
    sleeps = field(status, "State").starts_with('S');
    wakes = field(status, "voluntary_ctxt_switches");
    std::istringstream call(read_file(path + "/syscall"));
    if (!(call >> number >> std::hex)) number = -1;  // it runs
    for (uint64_t& a : arguments) call >> a;
    std::getline(call, place);  // stack pointer and program counter
    // What rt_sigtimedwait(2) waits for does not count as blocked meanwhile.
    heeds = heeds || number == SYS_rt_sigtimedwait;
  }

  // How long it waits at most from the call on; nothing: for ever, or it is not known.
  [[nodiscard]] std::optional<Duration> time() const {
    for (const TimedCall& c : kTimedCalls) {
      if (c.number != number) continue;
      uint64_t value = arguments[c.argument];
      if (c.unit != Unit::milliseconds) return value == 0 ? std::nullopt : time_at(value, c.unit);
      auto limit = static_cast<int32_t>(value);
      return limit < 0 ? std::nullopt : std::optional<Duration>(std::chrono::milliseconds(limit));
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Duration> time_at(uint64_t address, Unit unit) const {
    std::array<int64_t, 2> time{};  // a timespec or a timeval
    iovec ours{time.data(), sizeof time};
    iovec theirs{reinterpret_cast<void*>(address), sizeof time};  // NOLINT: not our address
    if (::process_vm_readv(tid, &ours, 1, &theirs, 1, 0) != sizeof time) return Duration::zero();
    if (number == SYS_clock_nanosleep && (arguments[1] & TIMER_ABSTIME) != 0) {
      timespec now{};
      ::clock_gettime(static_cast<clockid_t>(arguments[0]), &now);
      time[0] -= now.tv_sec;
    }
    // Nobody has that much grace, and it must not overflow.
    constexpr int64_t kForEver = int64_t{1} << 30;
    if (time[0] >= kForEver) return std::nullopt;
    Duration rest = unit == Unit::timeval ? Duration(std::chrono::microseconds(time[1]))
                                          : Duration(std::chrono::nanoseconds(time[1]));
    return std::chrono::seconds(time[0]) + rest;
  }

  pid_t tid;
  bool heeds = true, sleeps = false;
  std::string wakes, place;
  long number = -1;  // of the system call that it is in
  std::array<uint64_t, 6> arguments{};
};

std::vector<StopSignal::Thread> StopSignal::threads() const {
  std::vector<Thread> out;
  std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    auto tid = static_cast<pid_t>(std::stol(task.path().filename()));
    out.emplace_back(task.path(), tid, signal_);
  }
  return out;
}

StopSignal::StopSignal(pid_t pid, int signal) : pid_(pid), signal_(signal) {
  try {
    heeded_ = std::ranges::any_of(threads(), &Thread::heeds);
  } catch (const std::exception&) {  // it ends just now
  }
}

// What it does then is not known, unless it has done so already and waits at the same place again.
bool StopSignal::wakes_in_time(const Thread& thread, Duration left) {
  auto time = thread.time();
  if (!time || *time > left) return false;
  Wait now{thread.place, thread.wakes};
  Wait& first = first_waits_.try_emplace(thread.tid, now).first->second;
  if (first.place == now.place) return first.wakes == now.wakes;
  first = now;
  return true;
}

StopSignal::Reaction StopSignal::look(Others others, Duration left) {
  bool doubt = true;
  try {
    auto all = threads();
    bool heeds = std::ranges::any_of(all, &Thread::heeds);
    if (heeds && lost_) {
      lost_ = false;
      heeded_ = true;
      return Reaction::missed;
    }
    heeded_ = heeded_ || heeds;
    lost_ = !heeded_;
    doubt = heeded_ || others == Others::some || std::ranges::any_of(all, [&](const Thread& t) {
              return !t.sleeps || t.number < 0 || wakes_in_time(t, left);
            });
  } catch (const std::exception&) {  // it ends just now
  }
  looks_ = doubt ? 0 : looks_ + 1;
  if (doubt) return Reaction::possible;
  return looks_ < kLooks ? Reaction::unlikely : Reaction::none;
}

}  // namespace pcompose::scheduler
