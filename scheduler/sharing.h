// Which services live in namespaces of others: network_mode, ipc and pid by service:NAME. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compose/project.h"

namespace pcompose::scheduler {

// True for service:NAME and container:NAME.
bool names_another(const std::string& mode);

// The services whose process has to be there before a container of `service` is prepared: their
// ipc or pid namespace lives by it. (A network namespace does not: that is kept by descriptor.)
std::vector<std::string> needs_process_of(const compose::Service& service);

// What of the services in `made_anew` the service lives in: "network", "ipc namespace", "pid
// namespace"; "" where it is nothing.
std::string lost_with(const compose::Service& service, const std::set<std::string>& made_anew);

// What the service has of another one's container: "network namespace" of "db".
struct Loan {
  std::string what, owner;
};
std::vector<Loan> loans_of(const compose::Service& service);

}  // namespace pcompose::scheduler
