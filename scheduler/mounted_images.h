// Images that a service mounts (volumes of type image).
#pragma once

#include <map>
#include <string>

#include "compose/project.h"
#include "engine/images.h"

namespace pcompose::scheduler {

// What the file calls the image of such a mount: the mount's source, or the image of the service
// that it names.
const std::string& mounted_image(const compose::Mount& mount, const compose::Project& project);

// By that name, the id of each. Those that are not here are left out.
std::map<std::string, std::string> mounted_images(const compose::Service& service,
                                                  const compose::Project& project,
                                                  engine::ImageStore& images);

}  // namespace pcompose::scheduler
