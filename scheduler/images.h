// What commands about images do. Needs no supervisor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/roots.h"
#include "compose/project.h"
#include "engine/images.h"
#include "scheduler/view.h"

namespace pcompose::scheduler {

// When an image is asked for at its registry: compose-spec, "pull_policy".
struct PullPolicy {
  enum class Kind { always, missing, never, build, every };
  Kind kind = Kind::missing;
  std::chrono::seconds every{};

  // "", "missing", "if_not_present", "always", "never", "build", "daily", "weekly", "every_12h".
  // Throws Error.
  static PullPolicy parse(const std::string& text);
};

// An image that some services need.
struct NeededImage {
  engine::ImageWish wish;
  std::vector<std::string> services;
};

// Each service with its image, with those of its pre_start hooks and those that it mounts.
std::vector<std::pair<std::string, std::string>> images_of(const compose::Project& project);

struct ImageNeeds {
  std::vector<NeededImage> to_pull;
  // Service and image: not here, and no policy pulls it.
  std::vector<std::pair<std::string, std::string>> absent;
};

// What these services need beyond what is here. `policy` replaces that of the services where it is
// not empty. Throws Error where a policy is none.
ImageNeeds images_needed(const Roots& roots, const compose::Project& project,
                         const std::string& policy);

// As engine::ImageStore::pull().
std::vector<engine::ImageResult> pull_images(const Roots& roots,
                                             const std::vector<engine::ImageWish>& wishes,
                                             engine::PullListener& listener);
// As engine::ImageStore::verify_login(), then writes it where docker looks. Returns the file.
std::string log_in(const Roots& roots, const std::string& registry, const std::string& username,
                   const std::string& password);
// False where there was no login.
bool log_out(const std::string& registry);

// An image with everything that is known about it.
struct ImageDetails {
  engine::Image image;
  std::vector<std::string> names;    // familiar
  std::vector<std::string> digests;  // "nginx@sha256:…"
  std::string config;                // the published blob, "" where it is not kept
};
// Throws Error where there is none.
ImageDetails inspect_image(const Roots& roots, const std::string& reference);

void tag_image(const Roots& roots, const std::string& reference, const std::string& name);
engine::Removal remove_image(const Roots& roots, const std::string& reference, engine::Force force);
engine::Removal prune_images(const Roots& roots, engine::Prune what);

}  // namespace pcompose::scheduler
