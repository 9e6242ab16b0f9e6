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

std::vector<Loan> loans_of(const compose::Service& service) {
  std::vector<Loan> out;
  const std::pair<const std::string*, const char*> kinds[] = {
      {&service.network_mode, "network namespace"},
      {&service.ipc, "IPC namespace"},
      {&service.pid, "PID namespace"}};
  for (const auto& [mode, what] : kinds) {
    if (std::string owner = service_of(*mode); !owner.empty()) out.push_back({what, owner});
  }
  for (const std::string& from : service.volumes_from) {
    // "NAME" and "NAME:ro"; of "container:NAME" no service is known.
    if (!from.starts_with("container:")) out.push_back({"volume", from.substr(0, from.find(':'))});
  }
  return out;
}

}  // namespace pcompose::scheduler
