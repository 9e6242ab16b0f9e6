// Documents that the program prints.
#pragma once

#include <string>
#include <vector>

namespace pcompose::engine::runtime {

enum class Rootless { no, yes };
// A config.json to begin with: a shell, the default capabilities and paths.
std::string default_config(Rootless rootless);

// What this program carries out (spec, features).
std::string features_document();

enum class Format { table, json };
std::string list_document(const std::string& root, Format format);
// The processes of a container; a table is what ps(1) would say of them.
std::string processes_document(const std::string& root, const std::string& id, Format format);

}  // namespace pcompose::engine::runtime
