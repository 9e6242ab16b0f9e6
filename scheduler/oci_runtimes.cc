#include "scheduler/oci_runtimes.h"

#include <cstdlib>
#include <sstream>
#include <unistd.h>

#include "base/error.h"
#include "scheduler/sharing.h"

namespace pcompose::scheduler {
namespace {

// As dockerd names it, too.
std::string program_name(const std::string& runtime) {
  return runtime == "io.containerd.runc.v2" ? "runc" : runtime;
}

std::string search(const std::string& name) {
  if (name.starts_with('/')) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "/usr/sbin:/usr/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::string file = directory + "/" + name;
    if (directory.starts_with('/') && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

Error refused(const compose::Service& service, const char* key, const std::string& what) {
  Error error("services." + service.name + "." + key + ": " + what);
  error.at(service.origin(key));
  return error;
}

void check(const compose::Service& service) {
  if (oci_runtime_of(service).empty()) return;
  if (service.tty) {
    throw refused(service, "tty", "a terminal is not supported with the runtime " + service.runtime)
        .hint("remove tty, or runtime");
  }
  if (names_another(service.ipc)) {
    throw refused(service, "ipc",
                  service.ipc + " is not supported with the runtime " + service.runtime)
        .hint("remove runtime");
  }
}

}  // namespace

std::string oci_runtime_of(const compose::Service& service) {
  const std::string& name = service.runtime;
  if (name.empty() || name == "pcompose") return "";
  bool plain = name.starts_with('/') || name.find('/') == std::string::npos;
  std::string program = plain ? search(program_name(name)) : "";
  if (!program.empty()) return program;
  throw refused(service, "runtime", "no OCI runtime is called " + name)
      .hint("install it, write its absolute path, or remove runtime: pcompose has its own");
}

void check_runtimes(const compose::Project& project) {
  for (const auto& [name, service] : project.services) check(service);
}

}  // namespace pcompose::scheduler
