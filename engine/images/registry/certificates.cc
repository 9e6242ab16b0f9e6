#include "engine/images/registry/certificates.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxFile = 4U << 20U;
constexpr const char* kSystemBundle = "/etc/ssl/certs/ca-certificates.crt";

std::string read_in(const Fd& directory, const std::string& name) {
  Fd file = open_at(directory.get(), name, O_RDONLY);
  return read_all(file.get(), kMaxFile);
}

std::string system_authorities() {
  if (::access(kSystemBundle, R_OK) != 0) return "";
  return read_file(kSystemBundle, kMaxFile);
}

TlsFiles read_directory(const Fd& directory, const std::string& path) {
  std::vector<std::string> names = directory_entries(directory.get());
  std::ranges::sort(names);
  TlsFiles files;
  for (const std::string& name : names) {
    if (name.ends_with(".crt")) files.authorities += read_in(directory, name) + "\n";
    if (!name.ends_with(".cert") || !files.certificate.empty()) continue;
    std::string key = name.substr(0, name.size() - 5) + ".key";
    if (std::ranges::find(names, key) == names.end())
      throw Error(path + "/" + name + " has no " + key + " beside it");
    files.certificate = read_in(directory, name);
    files.key = read_in(directory, key);
  }
  // They come on top of the system's.
  if (!files.authorities.empty()) files.authorities += system_authorities();
  return files;
}

}  // namespace

TlsFiles read_certificates(const std::vector<std::string>& directories, const std::string& host) {
  if (host.empty() || host.contains('/') || host.starts_with('.')) return {};
  for (const std::string& parent : directories) {
    std::string path = parent + "/" + host;
    Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (!directory) throw Error::from_errno("open " + path);
    try {
      return read_directory(directory, path);
    } catch (Error& e) {
      throw e.add("certificates in " + path);
    }
  }
  return {};
}

}  // namespace pcompose::engine
