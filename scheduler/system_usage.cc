#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sys/stat.h>

#include "base/error.h"
#include "compose/json.h"
#include "scheduler/network_view.h"
#include "scheduler/state_store.h"
#include "scheduler/system.h"
#include "volumes/volumes.h"

namespace pcompose::scheduler {
namespace {

namespace fs = std::filesystem;

// Bytes of the files beneath; what vanishes meanwhile has none.
int64_t tree_size(const std::string& path) {
  int64_t out = 0;
  std::set<std::pair<dev_t, ino_t>> linked;
  std::error_code error;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  for (auto it = fs::recursive_directory_iterator(path, kSkip, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    struct stat status{};
    if (::lstat(it->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (status.st_nlink > 1 && !linked.insert({status.st_dev, status.st_ino}).second) continue;
    out += std::min<int64_t>(status.st_size, status.st_blocks * 512);
  }
  return out;
}

// Names of the volumes that a container has.
std::set<std::string> volumes_of(const ContainerRow& row, StateStore& store) {
  std::set<std::string> out;
  for (const auto& [target, name] : row.anonymous_volumes) out.insert(name);
  auto project = store.project(row.project);
  if (!project) return out;
  compose::Project model = compose::project_from_json(json::parse(project->json));
  compose::Service service = compose::service_from_json(json::parse(row.service_json));
  for (const compose::Mount& mount : service.volumes) {
    if (mount.type != compose::MountType::volume || mount.source.empty()) continue;
    auto found = model.volumes.find(mount.source);
    out.insert(found == model.volumes.end() ? mount.source : found->second.name);
  }
  return out;
}

void measure_containers(const Roots& roots, StateStore& store, Usage& usage,
                        std::map<std::string, size_t>& links) {
  for (const ProjectRow& project : store.projects()) {
    for (const ContainerRow& row : store.containers(project.name)) {
      ContainerUsage out{row.id, row.name, row.image, row.command, status_name(row.status)};
      std::set<std::string> volumes = volumes_of(row, store);
      for (const std::string& name : volumes) ++links[name];
      out.volumes = volumes.size();
      out.size = tree_size(roots.state + "/containers/" + row.id);
      out.active = row.status == Status::running || row.status == Status::paused ||
                   row.status == Status::restarting;
      out.created_ns = row.created_ns;
      usage.containers.push_back(std::move(out));
    }
  }
}

void measure_images(engine::ImageStore& images, const std::map<std::string, size_t>& used,
                    Usage& usage) {
  std::map<std::string, int64_t> shared;
  std::set<std::string> ids;
  for (const engine::LayerUse& layer : images.layers()) {
    usage.layers += layer.size;
    bool needed =
        std::ranges::any_of(layer.images, [&](const auto& id) { return used.contains(id); });
    if (!needed) usage.reclaimable_layers += layer.size;
    for (const std::string& id : layer.images) {
      ids.insert(id);
      if (layer.images.size() > 1) shared[id] += layer.size;
    }
  }
  for (const std::string& id : ids) {
    auto image = images.by_id(id);
    if (!image) continue;
    auto found = used.find(id);
    ImageUsage out{{},          id,         image->created,
                   image->size, shared[id], found == used.end() ? 0 : found->second};
    for (const std::string& name : images.names(id))
      out.names.push_back(engine::familiar_reference(name));
    usage.images.push_back(std::move(out));
  }
}

}  // namespace

Usage measure_usage(const Roots& roots) {
  Database db(roots.database());
  engine::ImageStore images(db, roots);
  StateStore store(db, boot_id());
  volumes::VolumeStore volumes(db, roots);
  Usage usage;
  std::map<std::string, size_t> links, used;
  measure_containers(roots, store, usage, links);
  for (const ProjectRow& project : store.projects()) {
    for (const ContainerRow& row : store.containers(project.name)) ++used[row.image_id];
  }
  measure_images(images, used, usage);
  for (const auto& volume : volumes.list())
    usage.volumes.push_back(
        {volume.name, links[volume.name], tree_size(volumes.data_path(volume.name))});
  return usage;
}

Pruned prune_system(const Roots& roots, engine::Prune what, PruneVolumes which) {
  Pruned out;
  Usage before = measure_usage(roots);
  Database db(roots.database());
  StateStore store(db, boot_id());
  out.images = engine::ImageStore(db, roots).prune(store.images_in_use(), what);
  out.freed = out.images.freed;
  volumes::VolumeStore volumes(db, roots);
  for (const VolumeUsage& volume : before.volumes) {
    auto row = volumes.find(volume.name);
    bool anonymous = row && row->key.empty();
    if (which == PruneVolumes::no || !anonymous || volume.links > 0) continue;
    volumes.remove(volume.name);
    out.volumes.push_back(volume.name);
    out.freed += volume.size;
  }
  for (const std::string& path : unknown_containers(roots, store)) {
    out.freed += tree_size(path);
    fs::remove_all(path);
    out.leftovers.push_back(path);
  }
  for (std::string& stray : remove_stray_networks(roots)) out.leftovers.push_back(std::move(stray));
  return out;
}

}  // namespace pcompose::scheduler
