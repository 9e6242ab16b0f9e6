#include "netns/row_json.h"

#include "base/error.h"

namespace pcompose::netns {
namespace {

Driver driver_of(const std::string& name) {
  for (Driver d : {Driver::macvlan, Driver::ipvlan}) {
    if (driver_name(d) == name) return d;
  }
  return Driver::bridge;
}

std::string text(const json::object& from, const char* key) {
  return std::string(from.at(key).as_string());
}

}  // namespace

std::string options_to_json(const NetworkOptions& o) {
  return json::serialize(json::object{{"driver", driver_name(o.driver)},
                                      {"parent", o.parent},
                                      {"mode", o.mode},
                                      {"mtu", o.mtu},
                                      {"talk", o.talk},
                                      {"masquerade", o.masquerade},
                                      {"host_binding", o.host_binding},
                                      {"interface_prefix", o.interface_prefix},
                                      {"range", o.range ? o.range->str() : ""},
                                      {"range6", o.range6 ? o.range6->str() : ""},
                                      {"aux", json::value_from(o.aux)},
                                      {"written", json::value_from(o.written)},
                                      {"attachable", o.attachable},
                                      {"created_ns", o.created_ns}});
}

NetworkOptions options_from_json(const std::string& written) {
  try {
    json::value parsed = json::parse(written);
    const json::object& from = parsed.as_object();
    using Map = std::map<std::string, std::string>;
    NetworkOptions out;
    out.driver = driver_of(text(from, "driver"));
    out.parent = text(from, "parent");
    out.mode = text(from, "mode");
    out.mtu = from.at("mtu").to_number<int>();
    out.talk = from.at("talk").as_bool();
    out.masquerade = from.at("masquerade").as_bool();
    out.host_binding = text(from, "host_binding");
    out.interface_prefix = text(from, "interface_prefix");
    out.range = Prefix::parse(text(from, "range"));
    out.range6 = Prefix6::parse(text(from, "range6"));
    out.aux = json::value_to<Map>(from.at("aux"));
    out.written = json::value_to<Map>(from.at("written"));
    out.attachable = from.at("attachable").as_bool();
    out.created_ns = from.at("created_ns").to_number<int64_t>();
    return out;
  } catch (const std::exception& e) {
    throw Error(std::string("the state database holds bad network options: ") + e.what());
  }
}

}  // namespace pcompose::netns
