#include "engine/runtime/listener.h"

#include "engine/runtime/console.h"

namespace pcompose::engine::runtime {

void hand_over_listener(const Fd& listener, pid_t pid, const ContainerRecord& record,
                        const ContainerSpec& spec) {
  const SeccompProfile& profile = *spec.linux.seccomp_profile;
  json::object process = {{"ociVersion", record.oci_version},
                          {"fds", json::array{"seccompFd"}},
                          {"pid", pid},
                          {"metadata", profile.listener_metadata}};
  process["state"] = json::parse(state_document(record, Status::running));
  send_descriptor(profile.listener_path, listener, json::serialize(process));
}

}  // namespace pcompose::engine::runtime
