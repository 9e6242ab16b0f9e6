// Whether a container is still what the file says.
#pragma once

#include <string>
#include <vector>

#include "compose/project.h"

namespace pcompose::compose {

// In front of every hash. Raise it when equal services get another hash than before: what
// containers made by an earlier version differ in is then told by changes().
constexpr int kConfigHashVersion = 1;

// "VERSION-sha256" of what a container of the service is made from: the canonical service without
// positions and without what says when, how often and from where it is made (scale, depends_on,
// profiles, build, pull_policy, develop, attach, deploy but for its resources), and the networks
// and volumes it uses by their real names, with the volumes' driver_opts. `contents`: of what it is
// granted, by the caller. Equal text means that an existing container need not be made anew.
std::string config_hash(const Service& service, const Project& project,
                        const std::string& contents = "");

// True where another version of the hash was at work: nothing follows from it being different.
bool is_of_another_version(const std::string& config_hash);

struct Change {
  std::string path;   // "environment.DEBUG"
  Position position;  // of the new value; of what holds it where it is gone
};

// What differs between a service as it was made, with the project that it was then, and as it is
// now: of all that its hash covers but what the caller adds to it; by path.
std::vector<Change> changes(const Service& before, const Project& was, const Service& after,
                            const Project& project);

}  // namespace pcompose::compose
