#include "scheduler/mounted_images.h"

namespace pcompose::scheduler {

const std::string& mounted_image(const compose::Mount& mount, const compose::Project& project) {
  auto service = project.services.find(mount.source);
  return service == project.services.end() ? mount.source : service->second.image;
}

std::map<std::string, std::string> mounted_images(const compose::Service& service,
                                                  const compose::Project& project,
                                                  engine::ImageStore& images) {
  std::map<std::string, std::string> out;
  for (const compose::Mount& mount : service.volumes) {
    if (mount.type != compose::MountType::image) continue;
    const std::string& name = mounted_image(mount, project);
    if (auto image = images.find(name)) out[name] = image->id;
  }
  return out;
}

}  // namespace pcompose::scheduler
