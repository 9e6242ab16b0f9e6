#include "engine/images/config.h"
#include "engine/images/import.h"

namespace pcompose::engine {

std::string write_import_request(const ImportRequest& r) {
  return json::serialize(json::object{{"config", r.config},
                                      {"message", r.message},
                                      {"created", r.created},
                                      {"os", r.os},
                                      {"architecture", r.architecture},
                                      {"variant", r.variant}});
}

ImportRequest read_import_request(std::string_view text) {
  json::value value = parse_json(text, "the request to pcompose-images");
  auto member = [&](const char* name) { return json::value_to<std::string>(value.at(name)); };
  return {member("config"), member("message"),      member("created"),
          member("os"),     member("architecture"), member("variant")};
}

}  // namespace pcompose::engine
