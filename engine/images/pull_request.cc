#include "engine/images/pull_request.h"

#include "base/json.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

std::string text(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

}  // namespace

json::object write_source(const ImageSource& s) {
  return {{"host", s.host},
          {"path", s.path},
          {"shown", s.shown},
          {"insecure", s.tls == Tls::insecure},
          {"username", s.credentials.username},
          {"password", s.credentials.password},
          {"identity_token", s.credentials.identity_token},
          {"registry_token", s.credentials.registry_token}};
}

ImageSource read_source(const json::object& o) {
  ImageSource s;
  s.host = text(o, "host");
  s.path = text(o, "path");
  s.shown = text(o, "shown");
  s.tls = o.at("insecure").as_bool() ? Tls::insecure : Tls::verified;
  s.credentials = {text(o, "username"), text(o, "password"), text(o, "identity_token"),
                   text(o, "registry_token")};
  return s;
}

json::object write_proxies(const Proxies& proxies) {
  return {{"http", proxies.http},
          {"https", proxies.https},
          {"none", proxies.none},
          {"http_from", proxies.http_from},
          {"https_from", proxies.https_from}};
}

Proxies read_proxies(const json::object& o) {
  return {text(o, "http"), text(o, "https"), text(o, "none"), text(o, "http_from"),
          text(o, "https_from")};
}

namespace {

json::object write_image(const PullImage& image) {
  json::array candidates;
  for (const ImageCandidate& c : image.candidates) {
    json::array sources;
    for (const ImageSource& s : c.sources) sources.push_back(write_source(s));
    candidates.push_back(json::object{{"reference", c.reference}, {"sources", sources}});
  }
  return {{"written", image.written},
          {"candidates", candidates},
          {"os", image.platform.os},
          {"architecture", image.platform.architecture},
          {"variant", image.platform.variant},
          {"platform_given", image.platform_given},
          {"known", image.known}};
}

PullImage read_image(const json::object& o) {
  PullImage image;
  image.written = text(o, "written");
  for (const json::value& value : o.at("candidates").as_array()) {
    const json::object& c = value.as_object();
    ImageCandidate candidate{text(c, "reference"), {}};
    for (const json::value& s : c.at("sources").as_array())
      candidate.sources.push_back(read_source(s.as_object()));
    image.candidates.push_back(std::move(candidate));
  }
  image.platform = {text(o, "os"), text(o, "architecture"), text(o, "variant")};
  image.platform_given = o.at("platform_given").as_bool();
  image.known = text(o, "known");
  return image;
}

}  // namespace

std::string write_pull_request(const PullRequest& request) {
  json::array images, directories, logins;
  for (const ImageSource& s : request.logins) logins.push_back(write_source(s));
  for (const PullImage& image : request.images) images.push_back(write_image(image));
  for (const std::string& d : request.certificate_directories) directories.emplace_back(d);
  return json::serialize(json::object{{"images", images},
                                      {"logins", logins},
                                      {"digests_only", request.digests_only},
                                      {"proxies", write_proxies(request.proxies)},
                                      {"certificate_directories", directories}});
}

PullRequest read_pull_request(std::string_view lines) {
  json::value value = parse_json(lines, "the request to pcompose-images");
  const json::object& o = value.as_object();
  PullRequest request;
  for (const json::value& image : o.at("images").as_array())
    request.images.push_back(read_image(image.as_object()));
  for (const json::value& source : o.at("logins").as_array())
    request.logins.push_back(read_source(source.as_object()));
  request.digests_only = o.at("digests_only").as_bool();
  request.proxies = read_proxies(o.at("proxies").as_object());
  for (const json::value& d : o.at("certificate_directories").as_array())
    request.certificate_directories.emplace_back(d.as_string());
  return request;
}

}  // namespace pcompose::engine
