// Layers as one plain directory, where overlayfs cannot put them together.
#pragma once

#include "engine/container_ids.h"

namespace pcompose::engine {

// Copies what the container of `root` would see into the empty directory `to`, each file once, by
// reflink where that can. Its `upper` may be "". Whiteouts are overlayfs's and, of the layers
// below, also the files called .wh.NAME that the store writes where it cannot make those. No link
// in a layer is followed. Owners become what `ids` makes of them, where it is not empty. Throws
// Error, also for an owner that `ids` does not have; `to` is then incomplete.
void copy_layers(const Root& root, int to, const ContainerIds& ids = {});

}  // namespace pcompose::engine
