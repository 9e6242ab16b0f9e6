#include "scheduler/container_labels.h"

#include <fmt/format.h>

#include "compose/fields.h"

namespace pcompose::scheduler {
namespace {

// "db:service_healthy:false,…": condition, and whether a restart of it is one of ours.
std::string dependencies_text(const compose::Service& service) {
  std::string out;
  for (const compose::Dependency& d : service.depends_on) {
    auto condition = static_cast<size_t>(d.condition);
    out += fmt::format("{}{}:{}:{}", out.empty() ? "" : ",", d.service,
                       compose::EnumWords<compose::Condition>::words.at(condition), d.restart);
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> container_labels(const ContainerRow& row,
                                                    const compose::Service& service,
                                                    const ProjectRow& project) {
  std::map<std::string, std::string> out = service.labels;
  auto set = [&](const char* name, std::string value) {
    out.insert_or_assign(std::string("com.docker.compose.") + name, std::move(value));
  };
  set("project", row.project);
  set("service", row.service);
  set("container-number", std::to_string(row.one_off ? 1 : row.number));
  set("oneoff", row.one_off ? "True" : "False");
  set("config-hash", row.config_hash);
  set("image", "sha256:" + row.image_id);
  set("depends_on", dependencies_text(service));
  set("project.working_dir", project.working_dir);
  set("project.config_files", project.config_files);
  set("version", PCOMPOSE_VERSION);
  return out;
}

}  // namespace pcompose::scheduler
