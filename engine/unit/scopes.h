// The part of systemd's manager that makes transient units: org.freedesktop.systemd1(5).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <systemd/sd-bus.h>

namespace pcompose::unit {

// A connection to the system's manager or to that of a user. Throws Error.
class Scopes {
 public:
  // `run` is /run for the system's, $XDG_RUNTIME_DIR for a user's. The message bus where it is
  // there, else the manager's own socket, which speaks the same.
  explicit Scopes(const std::string& run);

  // Makes the scope with this process in it and waits until it is so: fifteen seconds at the most.
  // False where it is there already.
  bool start(const std::string& name, const std::string& description);
  // Takes this process into a scope that is there, into the group `below` of it.
  void join(const std::string& name, const char* below);

 private:
  struct Unref {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    void operator()(sd_bus_message* m) const { sd_bus_message_unref(m); }
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  };
  using Message = std::unique_ptr<sd_bus_message, Unref>;

  bool connect(const std::string& address, bool message_bus);
  Message method(const char* name);
  static void append_properties(sd_bus_message* call, const std::string& description);
  // How it ended, systemd's word: "done" is well.
  std::string await_job(const std::string& job);
  static int on_job_removed(sd_bus_message* m, void* self, sd_bus_error* error);

  std::unique_ptr<sd_bus, Unref> bus_;
  std::map<std::string, std::string> removed_jobs_;  // by path: how they ended
};

}  // namespace pcompose::unit
