// Devices by the Container Device Interface: what a vendor's program wrote about them in
// /etc/cdi and /var/run/cdi (CDI specification 0.8, SPEC.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compose/project.h"
#include "engine/spec.h"

namespace pcompose::scheduler {

// What a device, or all of a vendor's devices, change of a container (containerEdits).
struct CdiEdits {
  struct Node {
    engine::Device device;
    bool is_known = false;  // type and numbers were written; else the host's node tells
    bool has_mode = false, has_owner = false;
    std::string permissions = "rwm";  // for the device rules
  };
  std::vector<std::string> environment;  // "K=V"
  std::vector<Node> nodes;
  std::vector<engine::Mount> mounts;
  std::vector<uint32_t> groups;
  engine::Hooks hooks;
  std::string refused;  // what of them no container of ours can have, with its place; "" = nothing

  void add(const CdiEdits& other);
  // Nodes, rules and mounts; environment and groups belong to the process, when it starts. Reads
  // the host's nodes. Throws Error where one is missing.
  void apply(engine::ContainerSpec& spec) const;
};

// One file. Throws Error that names it and the place.
struct CdiSpec {
  std::string kind;  // vendor.com/class
  std::map<std::string, CdiEdits> devices;
  CdiEdits all;  // with any of them
};
CdiSpec parse_cdi(std::string_view text, const std::string& path);

// "vendor.com/class=name".
bool is_cdi_name(std::string_view text);

// All there are. A later directory goes before an earlier one.
class CdiRegistry {
 public:
  explicit CdiRegistry(const std::vector<std::string>& directories = {"/etc/cdi", "/var/run/cdi"});
  // Throws Error where a name is not described, or twice, with what is.
  [[nodiscard]] CdiEdits edits_for(const std::vector<std::string>& names) const;
  // The kinds of a class, as "gpu": {"nvidia.com/gpu"}.
  [[nodiscard]] std::vector<std::string> kinds_of(const std::string& device_class) const;

 private:
  struct Found {
    size_t spec = 0;
    size_t directory = 0;
    bool twice = false;
  };
  void read(const std::string& path, size_t directory);

  std::vector<std::string> directories_;
  std::vector<CdiSpec> specs_;
  std::map<std::string, Found> devices_;  // by qualified name
  std::vector<std::string> broken_;       // what is wrong with files that cannot be read
};

// `devices: vendor/class=name`, gpus and deploy.resources.reservations.devices of a service.
// Throws Error with the place in the file.
CdiEdits cdi_edits_of(const compose::Service& service);

}  // namespace pcompose::scheduler
