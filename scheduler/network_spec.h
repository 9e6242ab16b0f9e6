// From a network of a file to what netns makes.
#pragma once

#include "compose/project.h"
#include "netns/networks.h"

namespace pcompose::scheduler {

netns::NetworkSpec network_spec(const compose::Network& network, const std::string& project);

}  // namespace pcompose::scheduler
