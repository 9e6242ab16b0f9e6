#include "scheduler/materials.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"
#include "compose/config_hash.h"

namespace pcompose::scheduler {
namespace {

constexpr size_t kMaxContent = 1U << 20U;

const std::map<std::string, compose::Material>& all_of(const compose::Project& project,
                                                       MaterialKind kind) {
  return kind == MaterialKind::secret ? project.secrets : project.configs;
}

std::string section_of(MaterialKind kind) {
  return kind == MaterialKind::secret ? "secrets." : "configs.";
}

// Names of the keeper are short.
std::string kept_name(const std::string& name) { return "s/" + sha256_hex(name).substr(0, 32); }

std::string read_memory(const Fd& memory) {
  std::string out(kMaxContent, '\0');
  ssize_t n = ::pread(memory.get(), out.data(), out.size(), 0);
  if (n < 0) throw Error::from_errno("read a secret");
  out.resize(static_cast<size_t>(n));
  return out;
}

}  // namespace

void Materials::put(const std::string& name, const std::string& content) {
  Fd memory(::memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) throw Error::from_errno("memory for a secret");
  write_all(memory.get(), content);
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) throw Error::from_errno("seal a secret");
  store_(kept_name(name), memory.get());
  held_[kept_name(name)] = std::move(memory);
}

void Materials::hand_to_keeper() const {
  for (const auto& [name, memory] : held_) store_(name, memory.get());
}

std::string Materials::content(const compose::Project& project, MaterialKind kind,
                               const compose::Grant& grant) const {
  const auto& all = all_of(project, kind);
  auto found = all.find(grant.source);
  if (found == all.end())
    throw Error("the project has no " + section_of(kind) + grant.source).at(grant.position);
  const compose::Material& material = found->second;
  try {
    if (material.external) {
      throw Error("an external one is kept by a cluster's engine, and there is none here")
          .hint("give it file: or environment:");
    }
    if (material.content) return *material.content;
    if (!material.file.empty()) return read_file(material.file, kMaxContent);
    auto held = held_.find(kept_name(section_of(kind) + grant.source));
    if (held == held_.end()) {
      throw Error("the variable " + material.environment + " is not set")
          .hint("set it where you run up, or in .env");
    }
    return read_memory(held->second);
  } catch (Error& e) {
    throw e.add(section_of(kind) + grant.source).at(material.position);
  }
}

std::string Materials::config_hash(const compose::Service& service, const compose::Project& project,
                                   const std::string& key) const {
  std::string contents;
  for (const compose::Grant& grant : service.secrets)
    contents += sha256_hex(key + content(project, MaterialKind::secret, grant) + key);
  for (const compose::Grant& grant : service.configs)
    contents += sha256_hex(key + content(project, MaterialKind::config, grant) + key);
  return compose::config_hash(service, project, contents);
}

std::string hash_key(const std::string& state_directory) {
  std::string path = state_directory + "/hash.key";
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd) return read_all(fd.get(), 64);
  if (errno != ENOENT) throw Error::from_errno("read " + path);
  // Whoever links it first has made it; everybody reads that one.
  std::string fresh = path + "." + random_hex(8);
  {
    Fd out = open_file(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
    write_all(out.get(), random_hex(16));
  }
  int linked = ::link(fresh.c_str(), path.c_str());
  int number = errno;
  ::unlink(fresh.c_str());
  if (linked != 0 && number != EEXIST) throw Error("make " + path, number);
  return read_file(path, 64);
}

}  // namespace pcompose::scheduler
