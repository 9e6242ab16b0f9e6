#include "engine/runtime/state.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/roots.h"

namespace pcompose::engine::runtime {
namespace {

constexpr const char* kSocket = "start";

// Through the directory's descriptor: the path of a socket has 107 bytes (unix(7)), ours may have
// more.
sockaddr_un address_of(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = fmt::format("/proc/self/fd/{}/{}", directory, kSocket);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

std::string text_at(const json::object& object, const char* field) {
  return std::string(object.at(field).as_string());
}

}  // namespace

const char* name_of(Status status) {
  switch (status) {
    case Status::creating:
      return "creating";
    case Status::created:
      return "created";
    case Status::running:
      return "running";
    case Status::paused:
      return "paused";
    case Status::stopped:
      return "stopped";
  }
  return "";
}

std::string default_state_root() {
  if (::geteuid() == 0) return "/run/pcompose-runtime";
  const char* runtime = ::getenv("XDG_RUNTIME_DIR");
  if (runtime == nullptr || *runtime != '/')
    throw Error("XDG_RUNTIME_DIR is not set").hint("set it, or say --root DIRECTORY");
  return std::string(runtime) + "/pcompose-runtime";
}

void check_id(const std::string& id) {
  auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '+' || c == '-' || c == '.';
  };
  constexpr const char* kCure = "letters, digits and _+-. make an ID, which begins with no dot";
  auto bad = std::find_if_not(id.begin(), id.end(), allowed);
  if (bad != id.end())
    throw Error(fmt::format("invalid character '{}' in the container ID \"{}\"", *bad, id))
        .hint(kCure);
  if (id.empty() || id.starts_with('.') || id.size() > 255)
    throw Error(fmt::format("invalid container ID \"{}\"", id)).hint(kCure);
}

StateDirectory StateDirectory::make(const std::string& root, const std::string& id) {
  check_id(id);
  make_directories(root);
  std::string path = root + "/" + id;
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) throw Error(fmt::format("container \"{}\" already exists", id));
    throw Error::from_errno("make " + path);
  }
  return {path, open_file(path, O_RDONLY | O_DIRECTORY)};
}

StateDirectory StateDirectory::open(const std::string& root, const std::string& id) {
  check_id(id);
  std::string path = root + "/" + id;
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) throw Error(fmt::format("container \"{}\" does not exist", id));
  if (fd < 0) throw Error::from_errno("open " + path);
  return {path, Fd(fd)};
}

std::vector<std::string> StateDirectory::list(const std::string& root) {
  Fd directory(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> out;
  if (!directory) return out;
  for (const std::string& name : directory_entries(directory.get())) {
    std::string state = name + "/state.json";
    if (!name.starts_with('.') && ::faccessat(directory.get(), state.c_str(), F_OK, 0) == 0)
      out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string StateDirectory::read(const std::string& file) const {
  return read_all(open_at(fd_.get(), file, O_RDONLY).get());
}

void StateDirectory::write(const std::string& file, const std::string& text) const {
  std::string fresh = file + ".new";
  Fd fd = open_at(fd_.get(), fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  write_all(fd.get(), text);
  if (::renameat(fd_.get(), fresh.c_str(), fd_.get(), file.c_str()) != 0)
    throw Error::from_errno("rename " + fresh);
}

ContainerRecord StateDirectory::load() const {
  try {
    json::object o = json::parse(read("state.json")).as_object();
    ContainerRecord record;
    record.id = text_at(o, "id");
    record.oci_version = text_at(o, "ociVersion");
    record.bundle = text_at(o, "bundle");
    record.rootfs = text_at(o, "rootfs");
    record.created = text_at(o, "created");
    for (const auto& a : o.at("annotations").as_object())
      record.annotations[a.key()] = std::string(a.value().as_string());
    record.pid = static_cast<pid_t>(o.at("pid").as_int64());
    record.start_time = o.at("startTime").to_number<uint64_t>();
    record.group = ControlGroup::from_json(o.at("cgroups"));
    return record;
  } catch (const Error& e) {
    if (e.error_number() == ENOENT) throw Error("the container is still being created", EAGAIN);
    throw;
  } catch (const std::exception& e) {
    throw Error(fmt::format("{}/state.json: {}", path_, e.what()));
  }
}

void StateDirectory::save(const ContainerRecord& record) const {
  json::object annotations;
  for (const auto& [key, value] : record.annotations) annotations[key] = value;
  json::object o = {{"id", record.id},
                    {"ociVersion", record.oci_version},
                    {"bundle", record.bundle},
                    {"rootfs", record.rootfs},
                    {"created", record.created},
                    {"annotations", std::move(annotations)},
                    {"pid", record.pid},
                    {"startTime", record.start_time},
                    {"cgroups", record.group.to_json()}};
  write("state.json", json::serialize(o));
}

void StateDirectory::lock() const {
  while (::flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) throw Error::from_errno("lock " + path_);
  }
}

void StateDirectory::remove() const {
  size_t slash = path_.rfind('/');
  Fd parent = open_file(path_.substr(0, slash), O_RDONLY | O_DIRECTORY);
  remove_tree(parent.get(), path_.substr(slash + 1));
}

Fd StateDirectory::listen() const {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) throw Error::from_errno("socket");
  sockaddr_un address = address_of(fd_.get());
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 8) != 0)
    throw Error::from_errno("listen at " + path_ + "/" + kSocket);
  return socket;
}

Fd StateDirectory::connect() const {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) throw Error::from_errno("socket");
  sockaddr_un address = address_of(fd_.get());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Error::from_errno("reach the container's process at " + path_ + "/" + kSocket);
  return socket;
}

bool StateDirectory::waits_for_start() const {
  return ::faccessat(fd_.get(), kSocket, F_OK, 0) == 0;
}

void StateDirectory::forget_start() const {
  if (::unlinkat(fd_.get(), kSocket, 0) != 0 && errno != ENOENT)
    throw Error::from_errno("unlink " + path_ + "/" + kSocket);
}

std::optional<Pidfd> live_process(const ContainerRecord& record) {
  if (record.pid <= 0) return std::nullopt;
  try {
    Pidfd pidfd = Pidfd::open(record.pid);
    // Read after the pidfd is held: now the pid cannot become another's in between.
    if (process_start_time(record.pid) == record.start_time) return pidfd;
  } catch (const Error& e) {
    if (e.error_number() != ESRCH) throw;
  }
  return std::nullopt;
}

Status status_of(const StateDirectory& directory, const ContainerRecord& record) {
  if (record.pid == 0) return Status::creating;
  if (!live_process(record)) return Status::stopped;
  if (directory.waits_for_start()) return Status::created;
  return record.group.is_frozen() ? Status::paused : Status::running;
}

std::string state_document(const ContainerRecord& record, Status status) {
  json::object annotations;
  for (const auto& [key, value] : record.annotations) annotations[key] = value;
  json::object o = {
      {"ociVersion", record.oci_version}, {"id", record.id},
      {"status", name_of(status)},        {"pid", status == Status::stopped ? 0 : record.pid},
      {"bundle", record.bundle},          {"rootfs", record.rootfs},
      {"created", record.created}};
  o["annotations"] = std::move(annotations);
  return json::serialize(o);
}

}  // namespace pcompose::engine::runtime
