// One canonical service to its typed form.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/project.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

class ServiceDecoder {
 public:
  ServiceDecoder(Unsupported unsupported, Diagnostics& diagnostics)
      : unsupported_(unsupported), diagnostics_(diagnostics) {}

  // `entry` is one of `services:`.
  Service decode(const Entry& entry);

 private:
  void texts(const Node& node, Service& out);
  void ports(const Node& node, Service& out);
  void mounts(const Node& node, Service& out);
  static void mount_options(const Node& item, Mount& mount);
  void tmpfs(const Node& node, Service& out);
  void tmpfs_option(const Node& item, std::string_view option, Mount& mount,
                    const std::string& path);
  void networks(const Node& node, Service& out);
  void depends_on(const Node& node, Service& out);
  void health(const Node& node, Service& out);
  void own_extension(const Node& node, Service& out);
  std::vector<std::string> probe_of(const Node& node);
  void restart(const Node& node, Service& out);
  void refuse_what_windows_has(const Node& node);
  void options_of_storage(const Node& node);
  void user_namespace(const Node& node);
  void without_effect(const Node& node);
  void logging(const Node& node);
  void log_option(const Entry& option);
  static void deploy_restart(Service& out);
  static void scale(const Node& node, Service& out);
  void only(const Node& node, std::string_view key, std::initializer_list<std::string_view> known);
  void error(const Node& node, const std::string& path, std::string message);
  void cannot(const Node& node, const std::string& path, const std::string& what,
              const std::string& instead);

  Unsupported unsupported_;
  Diagnostics& diagnostics_;
  std::string path_;
};

// "X is not supported by pcompose yet; use Y", as an error or a warning.
void report_unsupported(Unsupported unsupported, Diagnostics& diagnostics, const Node& node,
                        const std::string& path, const std::string& what,
                        const std::string& instead);

}  // namespace pcompose::compose
