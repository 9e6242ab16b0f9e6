#include "engine/rootless/egress.h"

#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/fd.h"
#include "engine/unit.h"

namespace pcompose::engine::rootless {
namespace {

std::string found(const std::string& name) {
  for (const char* directory : {"/usr/bin/", "/usr/local/bin/", "/bin/"}) {
    std::string path = directory + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

}  // namespace

bool has_egress() { return !found("pasta").empty() || !found("slirp4netns").empty(); }

std::optional<Child> start_egress(pid_t pid, const Roots& roots, const std::string& unit) {
  SpawnOptions options;
  if (std::string pasta = found("pasta"); !pasta.empty()) {
    options.argv = {pasta,         "--foreground",
                    "--quiet",     "--config-net",
                    "--no-map-gw", "-t",
                    "none",        "-u",
                    "none",        "-T",
                    "none",        "-U",
                    "none",        std::to_string(pid)};
  } else if (std::string slirp = found("slirp4netns"); !slirp.empty()) {
    options.argv = {slirp,           "--configure",       "--mtu=65520", "--disable-host-loopback",
                    "--enable-ipv6", std::to_string(pid), "tap0"};
  } else {
    return std::nullopt;
  }
  options.environment = {"PATH=/usr/bin:/bin"};
  Fd nothing = open_file("/dev/null", O_RDWR);
  options.fds = {{nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}};
  options.session = Session::own;
  options.directory = "/";
  put_into_unit(options, roots, unit);
  return spawn(options);
}

}  // namespace pcompose::engine::rootless
