// The services of a Project as a graph of depends_on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compose/project.h"

namespace pcompose::compose {

enum class Dependencies { with, without };

// Built once from a Project's active services; a value without references into it.
class ServiceGraph {
 public:
  // Throws ComposeError on a cycle: "dependency cycle detected: a -> b -> a", at the place that
  // closes it. A dependency on a service that is not active is left out: load() has refused or
  // warned of it.
  explicit ServiceGraph(const Project& project);

  // Every service after all it depends on; alphabetical among equals.
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }
  // Direct ones, alphabetical. Throws Error ("no such service: x").
  [[nodiscard]] const std::vector<std::string>& dependencies_of(const std::string& name) const;
  [[nodiscard]] const std::vector<std::string>& dependents_of(const std::string& name) const;

  // The named services (all of them where `names` is empty), with or without what they depend on
  // directly and indirectly, in order(). Throws Error ("no such service: x").
  [[nodiscard]] std::vector<std::string> selection(const std::vector<std::string>& names,
                                                   Dependencies dependencies) const;

 private:
  struct Links {
    std::vector<std::string> dependencies;
    std::vector<std::string> dependents;
  };
  [[nodiscard]] const Links& links(const std::string& name) const;
  void sort_topologically();

  std::map<std::string, Links> links_;
  std::vector<std::string> order_;
};

}  // namespace pcompose::compose
