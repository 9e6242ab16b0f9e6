// Checks one file's tree against the schema and turns every short form into its long one.
#pragma once

#include <string>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/schema.h"
#include "compose/support.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

struct CanonicalOptions {
  // What relative paths are relative to; where they stay so, from the project's directory, "" for
  // it.
  std::string directory;
  std::string home;  // what ~ stands for
  bool resolve_paths = true;
  bool raw = false;  // --no-interpolate: variables stand in the values
};

// Works in place, so that every value keeps its origin. What is wrong is reported and taken out of
// the tree: later steps see canonical values only. A value tagged !reset is left alone, merge()
// acts on it.
class Canonicalizer {
 public:
  // Attributes that pcompose cannot do yet are added to `unsupported`.
  Canonicalizer(Diagnostics& diagnostics, CanonicalOptions options,
                std::vector<UnsupportedUse>& unsupported)
      : diagnostics_(diagnostics), options_(std::move(options)), unsupported_(unsupported) {}

  // A whole file (file_schema()) or any part of one. `path` is where it stands, "" for the file.
  void object(Node& node, const Object& object, const std::string& path);

 private:
  // All return false where the value is unusable; it has been reported then.
  bool value(Node& node, const Attribute& attribute, const std::string& path);
  bool scalar(Node& node, const Attribute& attribute, const std::string& path);
  bool list(Node& node, const Attribute& attribute, const std::string& path);
  bool structure(Node& node, const Attribute& attribute, const std::string& path);

  // canonical_scalars.cc
  bool string(Node& node, const std::string& path);
  bool text(Node& node, const std::string& path);
  bool boolean(Node& node, const std::string& path);
  bool integer(Node& node, const std::string& path);
  bool number(Node& node, const std::string& path);
  bool octal(Node& node, const std::string& path);
  bool bytes(Node& node, const std::string& path);
  bool duration(Node& node, const std::string& path);
  bool choice(Node& node, const Attribute& attribute, const std::string& path);
  bool path_value(Node& node, const std::string& path);
  bool command(Node& node, const std::string& path);
  bool health_test(Node& node, const std::string& path);

  // canonical_lists.cc
  bool strings(Node& node, const std::string& path,
               bool (Canonicalizer::*item)(Node&, const std::string&));
  bool one_or_many(Node& node, const std::string& path,
                   bool (Canonicalizer::*item)(Node&, const std::string&));
  bool objects(Node& node, const Object& of, const std::string& path);
  bool named(Node& node, const Attribute& attribute, const std::string& path);
  bool text_map(Node& node, const std::string& path);
  enum class Bare { null, empty };  // what NAME without a value becomes
  bool pairs(Node& node, const std::string& path, Bare bare);
  bool pairs_from_list(Node& node, const std::string& path, Bare bare);
  bool extra_hosts(Node& node, const std::string& path);
  bool extra_host(Node& out, const Node& host, const std::string& name, const std::string& path);

  // canonical_service.cc
  bool memberships(Node& node, const Attribute& attribute, const std::string& path);
  bool depends_on(Node& node, const Attribute& attribute, const std::string& path);
  bool env_file(Node& node, const Attribute& attribute, const std::string& path);
  bool build(Node& node, const Attribute& attribute, const std::string& path);
  bool contexts(Node& node, const std::string& path);
  bool grants(Node& node, const Attribute& attribute, const std::string& path);
  bool ulimits(Node& node, const Attribute& attribute, const std::string& path);
  bool devices(Node& node, const Attribute& attribute, const std::string& path);
  bool device_requests(Node& node, const Attribute& attribute, const std::string& path);
  bool extends(Node& node, const Attribute& attribute, const std::string& path);
  bool includes(Node& node, const Attribute& attribute, const std::string& path);
  bool external(Node& node, Node& around, const std::string& path);
  bool names_to_map(Node& node, const std::string& path);

  // canonical_ports.cc, canonical_mounts.cc
  bool ports(Node& node, const Attribute& attribute, const std::string& path);
  bool long_port(Node& node, const std::string& path);
  bool mounts(Node& node, const Attribute& attribute, const std::string& path);
  bool long_mount(Node& node, const std::string& path);

  bool distinct(const Node& node, const std::string& path);
  bool expect(const Node& node, Kind kind, const std::string& path);
  bool fail(const Node& node, const std::string& path, std::string message);
  void unknown_key(const Entry& entry, const Object& object, const std::string& path);
  [[nodiscard]] std::string resolved(const std::string& path) const;

  Diagnostics& diagnostics_;
  CanonicalOptions options_;
  std::vector<UnsupportedUse>& unsupported_;
};

// "services.web" and "image" -> "services.web.image"; no dot at the top.
std::string below(const std::string& path, std::string_view key);
std::string at_index(const std::string& path, size_t index);

}  // namespace pcompose::compose
