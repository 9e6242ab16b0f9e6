// The mount options of the OCI runtime spec (config, "Linux mount options").
#include <sys/mount.h>

#include "engine/launch/kernel_abi.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

using Kind = MountOption::Kind;

constexpr uint64_t kRo = launch::kAttrReadOnly, kNoSuid = launch::kAttrNoSuid,
                   kNoDev = launch::kAttrNoDev, kNoExec = launch::kAttrNoExec,
                   kNoAtime = launch::kAttrNoAccessTime, kStrict = launch::kAttrStrictAccessTime,
                   kAtime = launch::kAttrAccessTime,
                   kNoDirAtime = launch::kAttrNoDirectoryAccessTime,
                   kNoFollow = launch::kAttrNoSymlinkFollow;
constexpr uint64_t kMsNoSymFollow = 256;  // linux/mount.h

MountOption set(const char* name, uint64_t bits, uint64_t attributes = 0) {
  return {name, Kind::flag, bits, attributes, false, false};
}
MountOption clear(const char* name, uint64_t bits, uint64_t attributes = 0) {
  return {name, Kind::flag, bits, attributes, true, false};
}
MountOption all(const char* name, uint64_t attributes) {
  return {name, Kind::recursive, 0, attributes, false, true};
}
MountOption none(const char* name, uint64_t attributes) {
  return {name, Kind::recursive, 0, attributes, true, true};
}
MountOption propagation(const char* name, uint64_t bits, bool recursive) {
  return {name, Kind::propagation, bits, 0, false, recursive};
}

}  // namespace

const std::vector<MountOption>& mount_options() {
  static const std::vector<MountOption> options = {
      set("ro", MS_RDONLY, kRo),
      clear("rw", MS_RDONLY, kRo),
      set("nosuid", MS_NOSUID, kNoSuid),
      clear("suid", MS_NOSUID, kNoSuid),
      set("nodev", MS_NODEV, kNoDev),
      clear("dev", MS_NODEV, kNoDev),
      set("noexec", MS_NOEXEC, kNoExec),
      clear("exec", MS_NOEXEC, kNoExec),
      set("noatime", MS_NOATIME, kNoAtime),
      clear("atime", MS_NOATIME, kAtime),
      set("nodiratime", MS_NODIRATIME, kNoDirAtime),
      clear("diratime", MS_NODIRATIME, kNoDirAtime),
      set("relatime", MS_RELATIME),
      clear("norelatime", MS_RELATIME, kAtime),
      set("strictatime", MS_STRICTATIME, kStrict),
      clear("nostrictatime", MS_STRICTATIME, kAtime),
      set("nosymfollow", kMsNoSymFollow, kNoFollow),
      clear("symfollow", kMsNoSymFollow, kNoFollow),
      set("sync", MS_SYNCHRONOUS),
      clear("async", MS_SYNCHRONOUS),
      set("dirsync", MS_DIRSYNC),
      set("mand", MS_MANDLOCK),
      clear("nomand", MS_MANDLOCK),
      set("iversion", MS_I_VERSION),
      clear("noiversion", MS_I_VERSION),
      set("lazytime", MS_LAZYTIME),
      clear("nolazytime", MS_LAZYTIME),
      set("silent", MS_SILENT),
      clear("loud", MS_SILENT),
      set("remount", MS_REMOUNT),
      all("rro", kRo),
      none("rrw", kRo),
      all("rnosuid", kNoSuid),
      none("rsuid", kNoSuid),
      all("rnodev", kNoDev),
      none("rdev", kNoDev),
      all("rnoexec", kNoExec),
      none("rexec", kNoExec),
      all("rnoatime", kNoAtime),
      none("ratime", kAtime),
      all("rnodiratime", kNoDirAtime),
      none("rdiratime", kNoDirAtime),
      none("rrelatime", kAtime),
      none("rnorelatime", kAtime),
      all("rstrictatime", kStrict),
      none("rnostrictatime", kAtime),
      all("rnosymfollow", kNoFollow),
      none("rsymfollow", kNoFollow),
      propagation("private", MS_PRIVATE, false),
      propagation("rprivate", MS_PRIVATE, true),
      propagation("slave", MS_SLAVE, false),
      propagation("rslave", MS_SLAVE, true),
      propagation("shared", MS_SHARED, false),
      propagation("rshared", MS_SHARED, true),
      propagation("unbindable", MS_UNBINDABLE, false),
      propagation("runbindable", MS_UNBINDABLE, true),
      {"bind", Kind::bind},
      {"rbind", Kind::bind, 0, 0, false, true},
      {"tmpcopyup", Kind::copy_up},
      {"idmap", Kind::idmap},
      {"ridmap", Kind::idmap, 0, 0, false, true},
      {"defaults", Kind::nothing},
  };
  return options;
}

const MountOption* mount_option(std::string_view name) {
  for (const MountOption& option : mount_options()) {
    if (name == option.name) return &option;
  }
  return nullptr;
}

}  // namespace pcompose::engine::runtime
