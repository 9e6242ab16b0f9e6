// config.json (OCI runtime spec 1.3, Linux) becomes a ContainerSpec.
#pragma once

#include <string_view>

#include "engine/runtime/json_reader.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Parses a whole document. Wrong types, unknown names of the kernel's and what is not carried out
// (intelRdt) throw Error with the place in the document;
// unknown fields are ignored. Pure: no file is looked at. Paths are as written.
ContainerSpec parse_config(std::string_view text);

// The same for a process alone, as `exec --process` takes it.
Process parse_process_document(std::string_view text);

// The parts, each in a file of its own.
Process parse_process(const JsonNode& node);
Mount parse_mount(const JsonNode& node);
std::vector<IdMapping> parse_id_mappings(const JsonNode& node, std::string_view field);
Hooks parse_hooks(const JsonNode& node);
Linux parse_linux(const JsonNode& node);
Resources parse_resources(const JsonNode& node);
SeccompProfile parse_seccomp(const JsonNode& node);

}  // namespace pcompose::engine::runtime
