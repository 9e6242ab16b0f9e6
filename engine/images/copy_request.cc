#include "base/error.h"
#include "base/json.h"
#include "engine/images/copy_jobs.h"

namespace pcompose::engine {
namespace {

json::array map_json(const std::vector<IdMapping>& map) {
  json::array out;
  for (const IdMapping& m : map) out.push_back({m.container_id, m.host_id, m.size});
  return out;
}

std::vector<IdMapping> map_of(const json::value& value) {
  std::vector<IdMapping> out;
  for (const json::value& m : value.as_array())
    out.push_back({m.at(0).to_number<uint32_t>(), m.at(1).to_number<uint32_t>(),
                   m.at(2).to_number<uint32_t>()});
  return out;
}

}  // namespace

std::string write_copy_request(const CopyRequest& request) {
  return json::serialize(json::object{{"name", request.name},
                                      {"as", request.as},
                                      {"one_file_system", request.one_file_system},
                                      {"keep_owners", request.keep_owners},
                                      {"uid", request.uid},
                                      {"gid", request.gid},
                                      {"uids", map_json(request.ids.uids)},
                                      {"gids", map_json(request.ids.gids)}});
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
  out.ids = {map_of(o.at("uids")), map_of(o.at("gids"))};
  return out;
}

}  // namespace pcompose::engine
