#include "netns/zone/firewalld.h"

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace pcompose::netns::zone {
namespace {

constexpr const char* kName = "org.fedoraproject.FirewallD1";
constexpr const char* kPath = "/org/fedoraproject/FirewallD1";
constexpr const char* kZones = "org.fedoraproject.FirewallD1.zone";
constexpr uint64_t kPatience = 10'000'000;  // microseconds

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
  [[nodiscard]] std::string text() const { return e.message != nullptr ? e.message : "no answer"; }
};

}  // namespace

Firewalld::Firewalld() {
  sd_bus* made = nullptr;
  check(sd_bus_open_system(&made), "connect to the system's message bus");
  bus_.reset(made);
  check(sd_bus_set_method_call_timeout(made, kPatience), "limit the wait");
}

bool Firewalld::runs() { return sd_bus_get_name_creds(bus_.get(), kName, 0, nullptr) >= 0; }

Firewalld::Message Firewalld::method(const char* name) {
  sd_bus_message* made = nullptr;
  check(sd_bus_message_new_method_call(bus_.get(), &made, kName, kPath, kZones, name), name);
  Message call(made);
  check(sd_bus_message_set_auto_start(made, 0), name);
  return call;
}

std::string Firewalld::zone_of(const std::string& link) {
  Message call = method("getZoneOfInterface");
  check(sd_bus_message_append(call.get(), "s", link.c_str()), "name the link");
  BusError error;
  sd_bus_message* raw = nullptr;
  int done = sd_bus_call(bus_.get(), call.get(), 0, &error.e, &raw);
  Message answer(raw);
  if (done < 0) throw Error("ask firewalld for the zone of " + link + ": " + error.text());
  const char* zone = "";
  check(sd_bus_message_read(answer.get(), "s", &zone), "read firewalld's answer");
  return zone;
}

void Firewalld::add(const std::string& zone, const std::string& link) {
  Message call = method("addInterface");
  check(sd_bus_message_append(call.get(), "ss", zone.c_str(), link.c_str()), "name the link");
  BusError error;
  if (sd_bus_call(bus_.get(), call.get(), 0, &error.e, nullptr) < 0)
    throw Error("put " + link + " into firewalld's zone " + zone + ": " + error.text());
}

void Firewalld::remove(const std::string& zone, const std::string& link) {
  Message call = method("removeInterface");
  check(sd_bus_message_append(call.get(), "ss", zone.c_str(), link.c_str()), "name the link");
  BusError error;
  if (sd_bus_call(bus_.get(), call.get(), 0, &error.e, nullptr) >= 0) return;
  // Its errors are one name; the code is the text's first word (firewall/errors.py).
  std::string text = error.text();
  if (text.starts_with("UNKNOWN_INTERFACE") || text.starts_with("ZONE_CONFLICT")) return;
  throw Error("take " + link + " out of firewalld's zone " + zone + ": " + text);
}

}  // namespace pcompose::netns::zone
