#include <linux/capability.h>

#include "engine/launch/kernel_abi.h"
#include "engine/spec.h"

namespace pcompose::engine {

using launch::kMsNoDev;
using launch::kMsNoExec;
using launch::kMsNoSuid;
using launch::kMsReadOnly;

Capabilities default_capabilities() {
  CapabilitySet set = 0;
  for (int cap : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_FOWNER, CAP_MKNOD, CAP_NET_RAW,
                  CAP_SETGID, CAP_SETUID, CAP_SETFCAP, CAP_SETPCAP, CAP_NET_BIND_SERVICE,
                  CAP_SYS_CHROOT, CAP_KILL, CAP_AUDIT_WRITE}) {
    set |= CapabilitySet{1} << static_cast<unsigned>(cap);
  }
  return {.bounding = set, .effective = set, .permitted = set};
}

std::vector<Mount> default_mounts(uint64_t shm_bytes) {
  auto fs = [](std::string type, std::string where, unsigned long flags, std::string data = "") {
    Mount m;
    m.type = std::move(type);
    m.destination = std::move(where);
    m.flags = flags;
    m.data = std::move(data);
    return m;
  };
  constexpr unsigned long quiet = kMsNoSuid | kMsNoDev | kMsNoExec;
  return {
      fs("proc", "/proc", quiet),
      fs("tmpfs", "/dev", kMsNoSuid, "mode=755,size=65536k"),
      fs("devpts", "/dev/pts", kMsNoSuid | kMsNoExec, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
      fs("tmpfs", "/dev/shm", quiet, "mode=1777,size=" + std::to_string(shm_bytes)),
      fs("mqueue", "/dev/mqueue", quiet),
      fs("sysfs", "/sys", quiet | kMsReadOnly),
  };
}

std::vector<std::string> default_masked_paths() {
  return {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
          "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
          "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
}

std::vector<std::string> default_readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

}  // namespace pcompose::engine
