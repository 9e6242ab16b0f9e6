#include "compose/config_hash.h"

#include <set>

#include <fmt/format.h>

#include "base/sha256.h"
#include "compose/fields.h"
#include "compose/json.h"

namespace pcompose::compose {
namespace {

json::value hashed_form(const Service& service, const Project& project) {
  // What says when and how often a container is made, and where that was written, is not part of
  // what it is.
  Service bare = service;
  bare.scale = 1;
  bare.depends_on.clear();
  bare.profiles.clear();
  bare.origins.clear();
  bare.build.reset();  // the image's digest speaks for it
  bare.pull_policy.clear();
  bare.pull_refresh_after.clear();
  bare.attach.reset();
  bare.develop.reset();
  if (bare.deploy) bare.deploy = Deploy{.resources = bare.deploy->resources};
  for (Mount& mount : bare.volumes) {
    auto it = project.volumes.find(mount.source);
    if (mount.type == MountType::volume && it != project.volumes.end())
      mount.source = it->second.name;
  }
  for (ServiceNetwork& network : bare.networks) {
    auto it = project.networks.find(network.network);
    if (it != project.networks.end()) network.network = it->second.name;
  }
  return BasicWriter<Positions::drop>::make(bare);
}

class Differences {
 public:
  explicit Differences(const Service& after) : after_(after) {}

  void compare(const std::string& path, const json::value* before, const json::value* after) {
    if (before != nullptr && after != nullptr && *before == *after) return;
    bool both = before != nullptr && after != nullptr;
    if (both && before->is_object() && after->is_object())
      return compare_objects(path, before->as_object(), after->as_object());
    out.push_back({path, after_.origin(path)});
  }

  std::vector<Change> out;

 private:
  void compare_objects(const std::string& path, const json::object& before,
                       const json::object& after) {
    std::set<std::string_view> keys;
    for (const auto* object : {&before, &after}) {
      for (const auto& item : *object) keys.insert(item.key());
    }
    for (std::string_view key : keys) {
      std::string at = path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
      compare(at, before.if_contains(key), after.if_contains(key));
    }
  }

  const Service& after_;
};

// A running container keeps the mount that it has.
std::string volume_options(const Service& service, const Project& project) {
  std::string out;
  for (const Mount& mount : service.volumes) {
    auto volume = project.volumes.find(mount.source);
    if (mount.type != MountType::volume || volume == project.volumes.end()) continue;
    for (const auto& [name, value] : volume->second.driver_opts)
      out += fmt::format("{}: {}={}\n", mount.source, name, value);
  }
  return out;
}

}  // namespace

std::string config_hash(const Service& service, const Project& project,
                        const std::string& contents) {
  std::string text =
      json::serialize(hashed_form(service, project)) + contents + volume_options(service, project);
  return fmt::format("{}-{}", kConfigHashVersion, sha256_hex(text));
}

bool is_of_another_version(const std::string& config_hash) {
  return !config_hash.starts_with(fmt::format("{}-", kConfigHashVersion));
}

std::vector<Change> changes(const Service& before, const Project& was, const Service& after,
                            const Project& project) {
  Differences differences(after);
  json::value old = hashed_form(before, was), wanted = hashed_form(after, project);
  differences.compare("", &old, &wanted);
  std::set<std::string> seen;
  for (const Mount& mount : after.volumes) {
    auto now = project.volumes.find(mount.source), then = was.volumes.find(mount.source);
    if (mount.type != MountType::volume || now == project.volumes.end() ||
        then == was.volumes.end() || now->second.driver_opts == then->second.driver_opts ||
        !seen.insert(mount.source).second)
      continue;
    differences.out.push_back(
        {fmt::format("volumes.{}.driver_opts", mount.source), now->second.position});
  }
  return std::move(differences.out);
}

}  // namespace pcompose::compose
