#include "scheduler/sharing.h"

#include <utility>

namespace pcompose::scheduler {
namespace {

constexpr std::string_view kService = "service:";

std::string service_of(const std::string& mode) {
  return mode.starts_with(kService) ? mode.substr(kService.size()) : "";
}

}  // namespace

bool names_another(const std::string& mode) {
  return mode.starts_with(kService) || mode.starts_with("container:");
}

std::vector<std::string> needs_process_of(const compose::Service& service) {
  std::vector<std::string> out;
  for (const std::string* mode : {&service.ipc, &service.pid}) {
    if (std::string owner = service_of(*mode); !owner.empty()) out.push_back(std::move(owner));
  }
  return out;
}

std::string lost_with(const compose::Service& service, const std::set<std::string>& made_anew) {
  const std::pair<const std::string*, const char*> kinds[] = {{&service.network_mode, "network"},
                                                              {&service.ipc, "ipc namespace"},
                                                              {&service.pid, "pid namespace"}};
  for (const auto& [mode, kind] : kinds) {
    if (made_anew.contains(service_of(*mode))) return kind;
  }
  return "";
}

}  // namespace pcompose::scheduler
