// Instructions of a Dockerfile that change an image's configuration alone: what `image import`
// takes by --change.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace pcompose::engine {

// Each is one instruction: "CMD [\"sh\"]", "ENV A=1 B=\"two words\"". CMD, ENTRYPOINT, ENV, EXPOSE,
// LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR. Returns the member "config" of an image
// configuration (OCI image spec, config.md). Throws Error naming the instruction.
json::object apply_image_changes(const std::vector<std::string>& changes);

}  // namespace pcompose::engine
