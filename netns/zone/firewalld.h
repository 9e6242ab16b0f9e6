// The part of firewalld's D-Bus interface that binds links to zones: firewalld.dbus(5).
#pragma once

#include <memory>
#include <string>
#include <systemd/sd-bus.h>

namespace pcompose::netns::zone {

// A connection to the system's bus. Calls wait until firewalld has started or reloaded: it serves
// one after the other. Ten seconds at the most. What is changed is its runtime configuration only.
class Firewalld {
 public:
  // Throws Error where there is no bus.
  Firewalld();

  // False where no firewalld runs. None is started for us.
  bool runs();
  // "" = in none, so the default zone's rules hold for it. `link` may end with '+': all links whose
  // names begin so. Throws Error.
  std::string zone_of(const std::string& link);
  // Throws Error.
  void add(const std::string& zone, const std::string& link);
  // One that is not in it is no error.
  void remove(const std::string& zone, const std::string& link);

 private:
  struct Unref {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    void operator()(sd_bus_message* m) const { sd_bus_message_unref(m); }
  };
  using Message = std::unique_ptr<sd_bus_message, Unref>;
  Message method(const char* name);

  std::unique_ptr<sd_bus, Unref> bus_;
};

}  // namespace pcompose::netns::zone
