#include "scheduler/volumes_from.h"

#include <algorithm>

#include "base/error.h"
#include "compose/json.h"

namespace pcompose::scheduler {
namespace {

struct Source {
  std::string container, service;  // one of the two
  bool read_only = false;
};

Source parse(std::string text) {
  Source out;
  if (text.ends_with(":ro") || text.ends_with(":rw")) {
    out.read_only = text.ends_with(":ro");
    text.resize(text.size() - 3);
  }
  constexpr std::string_view kContainer = "container:";
  if (text.starts_with(kContainer))
    out.container = text.substr(kContainer.size());
  else
    out.service = text;
  return out;
}

// `theirs`: the project that the row belongs to.
void add_mounts(const ContainerRow& row, const compose::Project& theirs, bool foreign,
                bool read_only, std::vector<InheritedMount>& out) {
  auto service = compose::service_from_json(json::parse(row.service_json));
  auto add = [&](compose::Mount mount, std::string volume) {
    mount.read_only = mount.read_only || read_only;
    mount.nocopy = true;                // it was filled for its owner
    if (foreign) mount.source.clear();  // a key of another file
    out.push_back({std::move(mount), std::move(volume)});
  };
  for (const compose::Mount& m : service.volumes) {
    if (m.type != compose::MountType::volume) {
      add(m, "");
    } else if (auto declared = theirs.volumes.find(m.source); declared != theirs.volumes.end()) {
      add(m, declared->second.name);
    }
  }
  for (const auto& [target, volume] : row.anonymous_volumes) {
    compose::Mount m;
    m.target = target;
    add(m, volume);
  }
}

}  // namespace

std::vector<InheritedMount> inherited_mounts(const compose::Service& service,
                                             const compose::Project& model, StateStore& store) {
  std::vector<InheritedMount> out;
  if (!service.volumes_from.empty() && store.dirty()) store.flush();
  for (const std::string& text : service.volumes_from) {
    Source wanted = parse(text);
    bool found = false;
    for (const ProjectRow& project : store.projects()) {
      if (found || (wanted.container.empty() && project.name != model.name)) continue;
      for (const ContainerRow& row : store.containers(project.name)) {
        found = wanted.container.empty()
                    ? row.service == wanted.service && !row.one_off
                    : row.name == wanted.container || row.id == wanted.container;
        if (!found) continue;
        bool foreign = project.name != model.name;
        add_mounts(row, foreign ? compose::project_from_json(json::parse(project.json)) : model,
                   foreign, wanted.read_only, out);
        break;
      }
    }
    if (!found) {
      throw Error("volumes_from: " + text + ": there is no such container")
          .at(service.origin("volumes_from"));
    }
  }
  return out;
}

}  // namespace pcompose::scheduler
