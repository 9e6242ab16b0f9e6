// Images on their way out, and in from archives; what commands about them do. Needs no supervisor.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/roots.h"
#include "engine/images.h"

namespace pcompose::scheduler {

// As engine::ImageStore::push().
std::vector<engine::ImageResult> push_images(const Roots& roots,
                                             const std::vector<engine::PushWish>& wishes,
                                             engine::PullListener& listener);
// As engine::ImageStore::save().
void save_images(const Roots& roots, const std::vector<std::string>& references,
                 engine::ArchiveFormat format, const Fd& output);
// As engine::ImageStore::load(), from a descriptor, and import(), which returns the id.
std::vector<std::string> load_image(const Roots& roots, const Fd& source, const std::string& shown,
                                    const std::string& name, engine::PullListener& listener);
std::string import_image(const Roots& roots, const Fd& source, const engine::ImportWish& wish);

// What `images` are at their registries now: "nginx" ->
// "docker.io/library/nginx:latest@sha256:…"; a digest that one has stays. Throws Error with all
// that could not be asked.
std::map<std::string, std::string> pin_images(const Roots& roots,
                                              const std::set<std::string>& images);

}  // namespace pcompose::scheduler
