// What is: the project's containers, networks and volumes as the database and the kernel have them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "scheduler/health.h"

namespace pcompose::scheduler {

enum class Status { created, running, restarting, paused, exited };
const char* status_name(Status status);
Status status_from_name(const std::string& name);  // exited for anything unknown

struct ObservedContainer {
  std::string id;
  std::string service;
  int number = 1;
  std::string name;
  std::string config_hash;
  std::string image_id;
  Status status = Status::created;
  int exit_code = 0;
  Health health = Health::none;
  // Why config_hash is another than the desired one, for the user.
  std::string change;
  bool one_off = false;                               // made by `run`: no replica of its service
  std::map<std::string, std::string> mounted_images;  // as of Desired, when it was made
  // Names of those that it is on, and of those that it mounts, anonymous ones, too.
  std::set<std::string> networks, volumes;

  // Holds on to its namespaces.
  [[nodiscard]] bool is_up() const {
    return status == Status::running || status == Status::restarting || status == Status::paused;
  }
};

struct Observed {
  std::vector<ObservedContainer> containers;  // by service, then number
  std::set<std::string> networks;             // names
  // Of those that the file wants to be otherwise: how, for the user, by name.
  std::map<std::string, std::string> changed_networks;
  // External ones of the file that are not there: names.
  std::set<std::string> missing_networks, missing_volumes;
  std::set<std::string> volumes;             // names
  std::set<std::string> relabelled_volumes;  // those whose labels the file wants to be others
  std::set<std::string> anonymous_volumes;   // those of them that no file names
};

}  // namespace pcompose::scheduler
