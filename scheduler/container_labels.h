// The labels by which docker compose knows its containers, and other programs know them, too.
#pragma once

#include <map>
#include <string>

#include "compose/project.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {

// The service's labels and com.docker.compose.*, which a file cannot set. Nothing is kept in them
// here: all of it stands in the rows.
std::map<std::string, std::string> container_labels(const ContainerRow& row,
                                                    const compose::Service& service,
                                                    const ProjectRow& project);

}  // namespace pcompose::scheduler
