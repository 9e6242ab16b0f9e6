#include "scheduler/cdi.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::scheduler {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFile = 4U << 20U;

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// What the file leaves to the host's node.
engine::Device completed(const CdiEdits::Node& node) {
  engine::Device out = node.device;
  struct stat info{};
  bool there = ::stat(out.host_path.c_str(), &info) == 0;
  bool is_device = there && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode));
  if (!is_device && node.is_known) return out;
  if (!there) throw Error::from_errno("look at " + out.host_path);
  if (!is_device) throw Error(out.host_path + " is no device");
  if (!node.is_known) {
    out.type = S_ISBLK(info.st_mode) ? 'b' : 'c';
    out.major = major(info.st_rdev);
    out.minor = minor(info.st_rdev);
  }
  if (!node.has_mode) out.mode = info.st_mode & 07777;
  if (!node.has_owner) {
    out.uid = info.st_uid;
    out.gid = info.st_gid;
  }
  return out;
}

}  // namespace

void CdiEdits::add(const CdiEdits& other) {
  append(environment, other.environment);
  append(nodes, other.nodes);
  append(mounts, other.mounts);
  append(groups, other.groups);
  for (const engine::HookKind& kind : engine::kHookKinds)
    append(hooks.*kind.list, other.hooks.*kind.list);
  if (refused.empty()) refused = other.refused;
}

void CdiEdits::apply(engine::ContainerSpec& spec) const {
  for (const Node& node : nodes) {
    engine::Device device = completed(node);
    if (device.type != 'p') {
      spec.linux.resources.devices.push_back(
          {true, device.type, device.major, device.minor, node.permissions});
    }
    spec.linux.devices.push_back(std::move(device));
  }
  spec.hooks = hooks;
  for (engine::Mount mount : mounts) {
    mount.is_file = mount.type == "bind" && !fs::is_directory(mount.source);
    spec.mounts.push_back(std::move(mount));
  }
}

CdiRegistry::CdiRegistry(const std::vector<std::string>& directories) : directories_(directories) {
  for (size_t i = 0; i < directories.size(); ++i) {
    std::set<std::string> paths;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(directories[i], none)) {
      auto extension = entry.path().extension();
      if (extension == ".json" || extension == ".yaml" || extension == ".yml")
        paths.insert(entry.path());
    }
    for (const std::string& path : paths) read(path, i);
  }
}

// One broken file must not take the other vendors' devices along.
void CdiRegistry::read(const std::string& path, size_t directory) {
  try {
    specs_.push_back(parse_cdi(read_file(path, kMaxFile), path));
  } catch (const Error& e) {
    broken_.emplace_back(e.what());
    return;
  }
  for (const auto& [name, edits] : specs_.back().devices) {
    std::string qualified = specs_.back().kind + "=" + name;
    auto [it, fresh] = devices_.try_emplace(qualified, Found{specs_.size() - 1, directory, false});
    if (fresh) continue;
    if (it->second.directory == directory) {
      it->second.twice = true;
    } else {
      it->second = {specs_.size() - 1, directory, false};
    }
  }
}

CdiEdits CdiRegistry::edits_for(const std::vector<std::string>& names) const {
  CdiEdits out;
  std::set<size_t> used;
  for (const std::string& name : names) {
    auto found = devices_.find(name);
    if (found == devices_.end()) {
      std::vector<std::string> known;
      for (const auto& [other, where] : devices_) known.push_back(other);
      std::string text = fmt::format("no file in {} describes the CDI device {}",
                                     fmt::join(directories_, " or "), name);
      if (!known.empty()) text += fmt::format("; described are {}", fmt::join(known, ", "));
      for (const std::string& broken : broken_) text += "; not read: " + broken;
      throw Error(text).hint("the vendor's program writes one, as nvidia-ctk cdi generate does");
    }
    if (found->second.twice) throw Error("the CDI device " + name + " is described in two files");
    const CdiSpec& spec = specs_[found->second.spec];
    if (used.insert(found->second.spec).second) out.add(spec.all);
    out.add(spec.devices.at(name.substr(name.find('=') + 1)));
  }
  return out;
}

std::vector<std::string> CdiRegistry::kinds_of(const std::string& device_class) const {
  std::set<std::string> out;
  for (const CdiSpec& spec : specs_) {
    if (spec.kind.ends_with("/" + device_class)) out.insert(spec.kind);
  }
  return {out.begin(), out.end()};
}

namespace {

// "nvidia.com/gpu": by the driver's name, by what is described where none is written.
std::string gpu_kind(const CdiRegistry& registry, const compose::DeviceRequest& request) {
  if (request.driver == "nvidia") return "nvidia.com/gpu";
  if (request.driver == "amd") return "amd.com/gpu";
  if (!request.driver.empty()) {
    throw Error("no driver " + request.driver + " is known")
        .hint("nvidia and amd are, and cdi with device_ids that are CDI names");
  }
  auto kinds = registry.kinds_of("gpu");
  if (kinds.empty()) return "nvidia.com/gpu";  // the error says that it is not described
  if (kinds.size() > 1) {
    throw Error(fmt::format("several vendors' GPUs are described: {}", fmt::join(kinds, ", ")))
        .hint("say which by driver:, or name the devices under devices:");
  }
  return kinds.front();
}

void add_request(const CdiRegistry& registry, const compose::DeviceRequest& request,
                 bool is_gpu_by_itself, std::vector<std::string>& names) {
  if (request.driver == "cdi") {
    names.insert(names.end(), request.device_ids.begin(), request.device_ids.end());
    return;
  }
  bool gpu = is_gpu_by_itself ||
             std::ranges::find(request.capabilities, "gpu") != request.capabilities.end();
  if (!gpu) {
    throw Error("a device with the capabilities " +
                fmt::format("{}", fmt::join(request.capabilities, ", ")) + " is not known")
        .hint("write capabilities: [gpu], or driver: cdi with device_ids that are CDI names");
  }
  std::string kind = gpu_kind(registry, request) + "=";
  for (const std::string& id : request.device_ids) names.push_back(kind + id);
  if (!request.device_ids.empty()) return;
  if (request.count.empty() || request.count == "-1" || request.count == "all")
    return names.push_back(kind + "all");
  for (int i = 0; i < std::stoi(request.count); ++i) names.push_back(kind + std::to_string(i));
}

}  // namespace

CdiEdits cdi_edits_of(const compose::Service& service) {
  std::optional<CdiRegistry> registry;
  CdiEdits out;
  auto take = [&](const std::string& path, auto names_of) {
    if (!registry) registry.emplace();
    try {
      std::vector<std::string> names;
      names_of(names);
      out.add(registry->edits_for(names));
    } catch (Error& e) {
      throw e.add("services." + service.name + "." + path).at(service.origin(path));
    }
  };
  for (size_t i = 0; i < service.devices.size(); ++i) {
    if (!is_cdi_name(service.devices[i].source)) continue;
    take(fmt::format("devices[{}]", i),
         [&](auto& names) { names.push_back(service.devices[i].source); });
  }
  for (size_t i = 0; i < service.gpus.size(); ++i) {
    take(fmt::format("gpus[{}]", i),
         [&](auto& names) { add_request(*registry, service.gpus[i], true, names); });
  }
  if (service.deploy) {
    const auto& reserved = service.deploy->resources.reservations.devices;
    for (size_t i = 0; i < reserved.size(); ++i) {
      take(fmt::format("deploy.resources.reservations.devices[{}]", i),
           [&](auto& names) { add_request(*registry, reserved[i], false, names); });
    }
  }
  if (out.refused.empty()) return out;
  throw Error("services." + service.name + ": its CDI devices want " + out.refused +
              ", which is not supported")
      .at(service.position)
      .hint("generate the description without it");
}

}  // namespace pcompose::scheduler
