// Rows of the root's database that a project's supervisor writes: the project and its containers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/database.h"
#include "scheduler/container_event.h"
#include "scheduler/observed.h"

namespace pcompose::scheduler {

// A container. What a boot destroys (pid, status) carries the boot id: under another boot it is
// exited.
struct ContainerRow {
  std::string id;  // 64 hexadecimal digits
  std::string project;
  std::string service;
  int number = 1;
  std::string name;
  std::string config_hash;
  std::string image_id;
  std::string image;         // as the file says
  std::string command;       // as ps shows it
  std::string service_json;  // compose::to_json(Service): what it was made from
  std::map<std::string, std::string> anonymous_volumes;  // target -> volume
  std::map<std::string, std::string> mounted_images;     // name -> id: scheduler/mounted_images.h
  int64_t created_ns = 0;

  std::string boot;
  Status status = Status::created;
  int32_t pid = 0;
  uint64_t pid_start = 0;
  int64_t started_ns = 0;
  int64_t finished_ns = 0;
  int exit_code = 0;
  std::string error;  // why the last start failed
  Health health = Health::none;
  int restarts = 0;
  bool stopped_by_user = false;
  // The last five results of its health check, oldest first: JSON as docker's State.Health.Log.
  std::string probes;
  bool one_off = false;        // made by `run`
  bool remove_at_end = false;  // … --rm

  // The part of the id that kernel objects and run directories carry.
  [[nodiscard]] std::string short_id() const { return id.substr(0, 12); }
};

struct ProjectRow {
  std::string name;
  std::string json;  // compose::to_json(Project)
  std::string working_dir;
  std::string config_files;  // comma-separated, as docker compose ls shows them
};

class StateStore {
 public:
  StateStore(Database& db, std::string boot);

  // By service, then number. Rows of another boot come as exited.
  [[nodiscard]] std::vector<ContainerRow> containers(const std::string& project);
  // Of all projects: the ids of the images that containers are made of or mount, with a container's
  // name each.
  [[nodiscard]] std::map<std::string, std::string> images_in_use();
  [[nodiscard]] std::optional<ProjectRow> project(const std::string& name);
  [[nodiscard]] std::vector<ProjectRow> projects();  // by name
  void put(const ProjectRow& row);
  void remove_project(const std::string& name);

  // Collects; flush() writes all in one transaction.
  void put(const ContainerRow& row) { dirty_[row.id] = row; }
  void put(ContainerEvent event) { happened_.push_back(std::move(event)); }
  void remove_container(const std::string& id);
  void flush();
  [[nodiscard]] bool dirty() const {
    return !dirty_.empty() || !removed_.empty() || !happened_.empty();
  }

 private:
  Database& db_;
  std::string boot_;
  std::map<std::string, ContainerRow> dirty_;
  std::vector<std::string> removed_;
  EventRows events_;
  std::vector<ContainerEvent> happened_;
};

}  // namespace pcompose::scheduler
