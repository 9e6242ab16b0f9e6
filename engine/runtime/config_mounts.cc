#include <sys/mount.h>

#include <fmt/format.h>

#include "engine/runtime/config.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

struct Seen {
  bool bind = false;
  bool idmap = false;
};

void apply(const MountOption& option, Mount& m, Seen& seen) {
  using Kind = MountOption::Kind;
  switch (option.kind) {
    case Kind::flag:
      m.flags = option.clear ? m.flags & ~option.bits : m.flags | option.bits;
      if (option.clear) m.attributes &= ~option.attributes;
      (option.clear ? m.attributes_cleared : m.attributes) |= option.attributes;
      if (!option.clear) m.attributes_cleared &= ~option.attributes;
      break;
    case Kind::recursive:
      (option.clear ? m.all_attributes_cleared : m.all_attributes) |= option.attributes;
      (option.clear ? m.all_attributes : m.all_attributes_cleared) &= ~option.attributes;
      break;
    case Kind::propagation:
      m.propagation = option.bits;
      m.all_propagation = option.all;
      break;
    case Kind::bind:
      seen.bind = true;
      m.recursive = option.all;
      break;
    case Kind::copy_up:
      m.copy_up = true;
      break;
    case Kind::idmap:
      seen.idmap = true;
      m.maps_all = option.all;
      break;
    case Kind::nothing:
      break;
  }
}

// Access times are one field of three values: whoever sets one clears the field first
// (mount_setattr(2)).
uint64_t with_access_time_cleared(uint64_t set, uint64_t cleared) {
  constexpr uint64_t kField = 0x70;
  return (set & kField) != 0 || (cleared & kField) != 0 ? cleared | kField : cleared;
}

}  // namespace

Mount parse_mount(const JsonNode& node) {
  Mount m;
  m.destination = node.needed_text("destination");
  // Relative ones are deprecated and mean the same (spec, "Mounts").
  if (!m.destination.starts_with('/')) m.destination.insert(0, "/");
  m.type = node.text("type");
  m.source = node.text("source");
  m.recursive = false;
  m.top_only = true;
  Seen seen;
  for (const std::string& name : node.texts("options")) {
    if (const MountOption* option = mount_option(name)) {
      apply(*option, m, seen);
      continue;
    }
    m.data += (m.data.empty() ? "" : ",") + name;
  }
  m.attributes_cleared = with_access_time_cleared(m.attributes, m.attributes_cleared);
  m.all_attributes_cleared = with_access_time_cleared(m.all_attributes, m.all_attributes_cleared);
  m.uid_mappings = parse_id_mappings(node, "uidMappings");
  m.gid_mappings = parse_id_mappings(node, "gidMappings");
  if (m.uid_mappings.empty() != m.gid_mappings.empty())
    node.fail("uidMappings and gidMappings go together");
  if (seen.bind || m.type == "bind") m.type = "bind";
  if (m.type.empty()) node.fail_at("type", "is missing");
  if (m.type == "bind" && m.source.empty()) node.fail_at("source", "is missing");
  if (m.type != "bind" && (seen.idmap || !m.uid_mappings.empty()))
    node.fail("only a bind can map ids");
  if (m.copy_up && m.type != "tmpfs") node.fail_at("options", "tmpcopyup is for tmpfs");
  return m;
}

}  // namespace pcompose::engine::runtime
