#include "engine/unit/scopes.h"

#include <cerrno>
#include <cstdint>
#include <unistd.h>

#include "base/error.h"

namespace pcompose::unit {
namespace {

constexpr const char* kName = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kInterface = "org.freedesktop.systemd1.Manager";
constexpr uint64_t kPatience = 15'000'000;  // microseconds

// sd-bus returns -errno.
int check(int result, const char* what) {
  if (result < 0) throw Error(what, -result);
  return result;
}

struct BusError {
  sd_bus_error e{};
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&e); }
  [[noreturn]] void raise(const std::string& what) const {
    throw Error(what + ": " + (e.message != nullptr ? e.message : "no answer"));
  }
};

}  // namespace

Scopes::Scopes(const std::string& run) {
  bool system = run == "/run";
  // dbus-daemon(1) and the user's bus of systemd; org.freedesktop.systemd1(5).
  if (connect("unix:path=" + run + (system ? "/dbus/system_bus_socket" : "/bus"), true)) return;
  if (connect("unix:path=" + run + "/systemd/private", false)) return;
  throw Error("neither a message bus nor systemd answers in " + run);
}

bool Scopes::connect(const std::string& address, bool message_bus) {
  sd_bus* made = nullptr;
  check(sd_bus_new(&made), "make a bus connection");
  bus_.reset(made);
  check(sd_bus_set_address(made, address.c_str()), "name the bus");
  check(sd_bus_set_bus_client(made, message_bus ? 1 : 0), "talk to the bus");
  check(sd_bus_set_method_call_timeout(made, kPatience), "limit the wait");
  if (sd_bus_start(made) < 0) return false;
  // Connecting is asynchronous; the first answer shows that somebody is there.
  BusError error;
  sd_bus_message* answer = nullptr;
  int done = sd_bus_call_method(made, kName, kPath, kInterface, "Subscribe", &error.e, &answer, "");
  Message owner(answer);
  return done >= 0;
}

Scopes::Message Scopes::method(const char* name) {
  sd_bus_message* made = nullptr;
  check(sd_bus_message_new_method_call(bus_.get(), &made, kName, kPath, kInterface, name), name);
  return Message(made);
}

// systemd.resource-control(5), systemd.kill(5). Without TasksMax the manager's default holds for
// all containers together; a failed scope would keep its name.
void Scopes::append_properties(sd_bus_message* call, const std::string& description) {
  auto pid = static_cast<uint32_t>(::getpid());
  check(sd_bus_message_open_container(call, 'a', "(sv)"), "describe the unit");
  check(sd_bus_message_append(call, "(sv)", "Description", "s", description.c_str()),
        "Description");
  check(sd_bus_message_append(call, "(sv)", "PIDs", "au", 1, pid), "PIDs");
  check(sd_bus_message_append(call, "(sv)", "Delegate", "b", 1), "Delegate");
  check(sd_bus_message_append(call, "(sv)", "TasksMax", "t", UINT64_MAX), "TasksMax");
  check(sd_bus_message_append(call, "(sv)", "CollectMode", "s", "inactive-or-failed"),
        "CollectMode");
  check(sd_bus_message_close_container(call), "describe the unit");
}

bool Scopes::start(const std::string& name, const std::string& description) {
  sd_bus_slot* made = nullptr;
  check(sd_bus_match_signal(bus_.get(), &made, nullptr, kPath, kInterface, "JobRemoved",
                            on_job_removed, this),
        "wait for systemd");
  std::unique_ptr<sd_bus_slot, Unref> slot(made);
  Message call = method("StartTransientUnit");
  check(sd_bus_message_append(call.get(), "ss", name.c_str(), "fail"), "name the unit");
  append_properties(call.get(), description);
  check(sd_bus_message_append(call.get(), "a(sa(sv))", 0), "describe the unit");
  BusError error;
  sd_bus_message* raw = nullptr;
  int done = sd_bus_call(bus_.get(), call.get(), 0, &error.e, &raw);
  Message answer(raw);
  if (done < 0 && sd_bus_error_has_name(&error.e, "org.freedesktop.systemd1.UnitExists") != 0)
    return false;
  if (done < 0) error.raise("make the unit " + name);
  const char* job = nullptr;
  check(sd_bus_message_read(answer.get(), "o", &job), "read systemd's answer");
  std::string result = await_job(job);
  if (result != "done") throw Error("make the unit " + name + ": " + result);
  return true;
}

int Scopes::on_job_removed(sd_bus_message* m, void* self, sd_bus_error* /*error*/) {
  auto* scopes = static_cast<Scopes*>(self);
  uint32_t id = 0;
  const char *job = nullptr, *unit = nullptr, *result = nullptr;
  if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0) return 0;
  scopes->removed_jobs_[job] = result;
  return 0;
}

std::string Scopes::await_job(const std::string& job) {
  while (!removed_jobs_.contains(job)) {
    int more = check(sd_bus_process(bus_.get(), nullptr), "hear systemd");
    if (more > 0) continue;
    if (check(sd_bus_wait(bus_.get(), kPatience), "wait for systemd") == 0)
      throw Error("systemd does not answer", ETIMEDOUT);
  }
  return removed_jobs_[job];
}

void Scopes::join(const std::string& name, const char* below) {
  auto pid = static_cast<uint32_t>(::getpid());
  BusError error;
  sd_bus_message* raw = nullptr;
  int done = sd_bus_call_method(bus_.get(), kName, kPath, kInterface, "AttachProcessesToUnit",
                                &error.e, &raw, "ssau", name.c_str(), below, 1, pid);
  Message answer(raw);
  if (done < 0) error.raise("join the unit " + name);
}

}  // namespace pcompose::unit
