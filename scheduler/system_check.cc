#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "base/fd.h"
#include "engine/cgroup.h"
#include "netns/network_store.h"
#include "scheduler/network_view.h"
#include "scheduler/state_store.h"
#include "scheduler/system.h"
#include "scheduler/view.h"
#include "volumes/volumes.h"

namespace pcompose::scheduler {
namespace {

namespace fs = std::filesystem;
using Faults = std::vector<engine::StoreFault>;

constexpr const char* kPrune = "pcompose system prune removes it";

std::vector<ContainerRow> all_containers(StateStore& store) {
  std::vector<ContainerRow> out;
  for (const ProjectRow& project : store.projects()) {
    auto rows = store.containers(project.name);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::set<std::string> directories_in(const std::string& path) {
  std::set<std::string> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path, none)) {
    if (entry.is_directory(none)) out.insert(entry.path().filename());
  }
  return out;
}

void check_containers(const Roots& roots, StateStore& store, Faults& out) {
  for (const std::string& path : unknown_containers(roots, store))
    out.push_back({"no row knows the container's directory " + path, kPrune});
  for (const ProjectRow& project : store.projects()) {
    for (const ContainerView& view : view_project(roots, project.name)) {
      std::string cure = fmt::format("pcompose -p {} up -d makes it anew", project.name);
      if (!fs::exists(roots.state + "/containers/" + view.row.id))
        out.push_back({"the directory of the container " + view.row.name + " is gone", cure});
      if (view.unsettled)
        out.push_back({fmt::format("{} ended while nobody looked after it", view.row.name), cure});
    }
  }
}

// Groups of containers that are no more: <mount>/<tag>/<short id>.
void check_groups(const Roots& roots, const std::vector<ContainerRow>& rows, Faults& out) {
  std::set<std::string> known;
  for (const ContainerRow& row : rows) known.insert(row.short_id());
  for (const auto& hierarchy : engine::joined_hierarchies(read_file("/proc/self/mountinfo"))) {
    std::string parent = hierarchy.mount + "/" + roots.tag;
    for (const std::string& name : directories_in(parent)) {
      // A container's own; the keeper may have others.
      bool container =
          name.size() == 12 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
      if (container && !known.contains(name))
        out.push_back({fmt::format("no container has the control group {}/{}", parent, name),
                       "end what runs in it, then rmdir it"});
    }
  }
}

// Everything of ours is mounted in the containers' own namespaces.
void check_mounts(const Roots& roots, Faults& out) {
  std::istringstream lines(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word, point;
    for (int i = 0; i < 5 && words >> word; ++i) point = word;
    for (const char* part : {"/containers/", "/layers/", "/l/"}) {
      if (point.starts_with(roots.state + part))
        out.push_back({point + " is mounted here", "umount " + point});
    }
  }
}

void check_networks(Database& db, const std::vector<ContainerRow>& rows, Faults& out) {
  std::set<std::string> known;
  for (const ContainerRow& row : rows) known.insert(row.id);
  netns::NetworkStore networks(db, boot_id());
  for (const auto& endpoint : networks.endpoints()) {
    if (!known.contains(endpoint.container))
      out.push_back({fmt::format("an address is held by {}, which is no more", endpoint.replica),
                     fmt::format("pcompose -p {} down", endpoint.project)});
  }
  for (const auto& port : networks.ports()) {
    if (!known.contains(port.container))
      out.push_back({fmt::format("port {} is held by a container that is no more", port.port),
                     "pcompose up of any project takes it"});
  }
}

void check_volumes(Database& db, const Roots& roots, Faults& out) {
  volumes::VolumeStore store(db, roots);
  std::set<std::string> known;
  for (const auto& volume : store.list()) {
    known.insert(volume.name);
    if (!fs::exists(store.data_path(volume.name)))
      out.push_back({"the data of the volume " + volume.name + " is gone",
                     "restore it, or remove the volume: pcompose down -v"});
  }
  for (const std::string& name : directories_in(roots.state + "/volumes")) {
    if (!known.contains(name) && !name.starts_with('.'))
      out.push_back({"no row knows the volume " + roots.state + "/volumes/" + name,
                     "look at it: nothing of ours removes what may be data"});
  }
}

}  // namespace

std::vector<std::string> unknown_containers(const Roots& roots, StateStore& store) {
  std::set<std::string> known;
  for (const ContainerRow& row : all_containers(store)) known.insert(row.id);
  std::vector<std::string> out;
  for (const std::string& name : directories_in(roots.state + "/containers")) {
    if (!known.contains(name)) out.push_back(roots.state + "/containers/" + name);
  }
  return out;
}

std::vector<engine::StoreFault> check_system(const Roots& roots) {
  Database db(roots.database());
  StateStore store(db, boot_id());
  Faults out = engine::ImageStore(db, roots).check();
  std::vector<ContainerRow> rows = all_containers(store);
  check_containers(roots, store, out);
  check_groups(roots, rows, out);
  check_mounts(roots, out);
  check_networks(db, rows, out);
  for (const std::string& stray : stray_networks(roots))
    out.push_back({"no network knows " + stray, kPrune});
  check_volumes(db, roots, out);
  return out;
}

}  // namespace pcompose::scheduler
