// Compose files as canonical trees: read, interpolated, included, extended, merged.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/model.h"
#include "compose/project_files.h"
#include "compose/schema.h"
#include "compose/support.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// What a set of files that belong together is read with. An `include` opens a scope of its own.
struct Scope {
  std::string directory;  // what relative paths are relative to
  Environment environment;
  std::vector<std::string> including;  // the files whose include led here, outermost first
  OriginPtr included_at;
};

struct Document {
  std::string path;  // of the file, absolute
  Node root;
};

class Sources {
 public:
  Sources(const FileReader& files, const ProjectFiles& project, const ModelOptions& steps,
          Diagnostics& diagnostics)
      : files_(files), project_(project), steps_(steps), diagnostics_(diagnostics) {}

  // The documents of a file as they stand there. What is wrong with it is reported, at `asked`
  // where the file is missing; the result is empty then.
  std::vector<Document> read(const std::string& path, const OriginPtr& asked = nullptr);

  // Interpolates and canonicalises a document, adds what it includes and extends, and lays it onto
  // `into`.
  void add(Document document, const Scope& scope, Node& into);

  // What of the files so far pcompose cannot do yet.
  [[nodiscard]] const std::vector<UnsupportedUse>& unsupported() const { return unsupported_; }
  // What secrets and configs of included files take from variables that only their include has.
  [[nodiscard]] const MaterialValues& included_values() const { return included_values_; }

 private:
  struct Extension;  // one step of a chain of `extends`
  void include(const Node& document, const std::string& path, const Scope& scope, Node& into);
  void include_one(const Node& item, const std::string& path, const Scope& scope, Node& into);
  void read_scope_environment(const Node& item, const std::string& from, Scope& scope);
  void take_values_of(const Scope& scope, Node& document);
  void extend_all(Node& document, const std::string& path, const Scope& scope);
  bool extend(Node& service, const Extension& step);
  bool base_of(const Node& extends, const Extension& step, Extension& next, Node& base);
  Node* source_services(const std::string& path, const Node& extends, const std::string& where,
                        const std::string& blame);
  [[nodiscard]] std::string from_project(const std::string& directory) const;  // "" for itself
  void canonicalize(Node& node, const Object& object, const std::string& path,
                    const std::string& directory, const Environment& environment);

  const FileReader& files_;
  const ProjectFiles& project_;
  const ModelOptions& steps_;
  std::vector<UnsupportedUse> unsupported_;
  Diagnostics& diagnostics_;
  std::set<std::string, std::less<>> warned_;
  MaterialValues included_values_;
  std::map<std::string, Node> extended_files_;  // as read, merged over their documents
};

}  // namespace pcompose::compose
