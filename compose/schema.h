// The attributes of a compose file, as tables: what exists, which forms it takes, what we can do.
// Their order is the one in which `config` prints them, that of docker compose.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pcompose::compose {

// How an attribute may be written. It also decides how two files' values are merged (merge.cc).
enum class Form : uint8_t {
  // Scalars, up to and with `choice`.
  any,       // kept as it is
  string,    // a string
  text,      // a string or a number; becomes a string
  boolean,   // a boolean or a string that says so
  integer,   // whole, or a string of it
  number,    // the same with a fraction
  octal,     // a file mode
  bytes,     // "64m"; becomes a string of decimal digits
  duration,  // "1m30s"; becomes that normal form
  path,      // a string; becomes absolute
  choice,    // one of Attribute::choices

  // Lists and mappings of scalars, up to and with `health_test`.
  strings,         // a list of strings
  unique,          // the same, a set when merged
  texts,           // a list of strings and numbers, a set when merged
  string_or_list,  // one or many, a set when merged
  paths,           // one or many paths, not a set
  text_map,        // a mapping to scalars
  environment,     // a mapping to scalars or null, or a list of NAME=VALUE and NAME
  labels,          // the same; null is the empty text
  command,         // null, a string that is split, or a list
  extra_hosts,     // becomes a list of host=address
  contexts,        // additional_contexts: a mapping to paths and URLs
  health_test,     // becomes a list

  // Structures.
  object,           // Attribute::object
  objects,          // a list of them
  named,            // a mapping from names to them, null allowed
  services,         // the same
  ports,            // becomes a list of the long form, ranges expanded
  mounts,           // becomes a list of the long form
  memberships,      // networks of a service: becomes a mapping
  models,           // the same
  depends_on,       // becomes a mapping
  env_file,         // becomes a list of {path, required, format}
  build,            // becomes {context, …}
  grants,           // secrets and configs of a service: becomes a list of {source, …}
  ulimits,          // a mapping to a number or {soft, hard}
  devices,          // becomes a list of {source, target, permissions}
  device_requests,  // becomes a list
  external,         // a boolean or {name}
  include,          // becomes a list of {path: […], …}
  extends,          // becomes {service, file}
  logging,
  ipam_pools,
};

enum class Support : uint8_t { yes, not_yet };

struct Object;

struct Attribute {
  std::string_view name;
  Form form = Form::any;
  Support support = Support::yes;
  const Object* object = nullptr;
  std::string_view choices = {};  // separated by blanks
};

struct Object {
  std::string_view name;  // for messages: "service", "network"
  std::span<const Attribute> attributes;
  std::span<const std::string_view> required = {};

  [[nodiscard]] const Attribute* find(std::string_view attribute) const;
};

// The whole file; everything else hangs below it.
const Object& file_schema();
const Object& service_schema();

// " (did you mean 'image'?)" where an attribute is near to what was written, else "".
std::string suggestion(const Object& object, std::string_view written);

}  // namespace pcompose::compose
