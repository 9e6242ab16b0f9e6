#include "base/error.h"
#include "base/json.h"
#include "engine/images/copy_jobs.h"

namespace pcompose::engine {

std::string write_copy_request(const CopyRequest& request) {
  return json::serialize(json::object{{"name", request.name},
                                      {"as", request.as},
                                      {"one_file_system", request.one_file_system},
                                      {"keep_owners", request.keep_owners},
                                      {"uid", request.uid},
                                      {"gid", request.gid},
                                      {"root_uid", request.root_uid},
                                      {"root_gid", request.root_gid}});
}

CopyRequest read_copy_request(const std::string& text) {
  json::value value = json::parse(text);
  const json::object& o = value.as_object();
  CopyRequest out;
  out.name = o.at("name").as_string();
  out.as = o.at("as").as_string();
  out.one_file_system = o.at("one_file_system").as_bool();
  out.keep_owners = o.at("keep_owners").as_bool();
  out.uid = o.at("uid").to_number<uint32_t>();
  out.gid = o.at("gid").to_number<uint32_t>();
  out.root_uid = o.at("root_uid").to_number<uint32_t>();
  out.root_gid = o.at("root_gid").to_number<uint32_t>();
  return out;
}

}  // namespace pcompose::engine
