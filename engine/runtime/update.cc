#include "engine/runtime/update.h"

#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/config.h"
#include "engine/runtime/device_rules.h"
#include "engine/runtime/state.h"

namespace pcompose::engine::runtime {

Resources read_resources(const std::string& file) {
  json::value document = parse_document(file == "-" ? read_all(0) : read_file(file), file);
  return parse_resources(JsonNode(document, "linux.resources"));
}

void update_container(const std::string& root, const std::string& id, const Resources& resources) {
  StateDirectory directory = StateDirectory::open(root, id);
  directory.lock();
  ContainerRecord record = directory.load();
  if (status_of(directory, record) == Status::stopped)
    throw Error(fmt::format("container \"{}\" is not running", id));
  if (record.group.extend(id, resources)) directory.save(record);
  record.group.apply(resources);
  if (resources.devices.empty()) return;
  Linux linux = parse_config(directory.read("config.json")).linux;
  linux.resources.devices = resources.devices;
  record.group.apply_device_rules(effective_rules(linux));
}

void pause_container(const std::string& root, const std::string& id, Run how) {
  StateDirectory directory = StateDirectory::open(root, id);
  directory.lock();
  ContainerRecord record = directory.load();
  Status status = status_of(directory, record);
  bool fits = how == Run::paused ? status == Status::running || status == Status::created
                                 : status == Status::paused;
  if (!fits) {
    throw Error(fmt::format("cannot {} container \"{}\": it is {}",
                            how == Run::paused ? "pause" : "resume", id, name_of(status)));
  }
  record.group.set_frozen(how == Run::paused ? Freeze::frozen : Freeze::thawed);
}

}  // namespace pcompose::engine::runtime
