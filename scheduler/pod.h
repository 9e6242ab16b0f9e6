// The pod of a project: one network, ipc and uts namespace for all its containers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scheduler/context.h"
#include "scheduler/places.h"
#include "scheduler/pod_infra.h"

namespace pcompose::scheduler {

// The namespaces live by descriptors that the keeper holds, so the pod has no process of its own,
// unless it shares the pid namespace, too.
// On the supervisor's loop.
class Pod {
 public:
  explicit Pod(Context& context);

  // Makes the namespaces where there are none, on all networks of the project's services. Throws
  // Error.
  Task<SharedNetwork> share();
  // All containers are down, unless `is_used` says that one has come meanwhile.
  Task<> release(std::function<bool()> is_used);
  // From the keeper: "pod/<what>".
  void restore(const std::string& what, Fd fd);
  void restore(engine::KeptProcess infra) { infra_.restore(std::move(infra)); }
  void hand_to_keeper();
  // Answers its name queries from now on.
  void serve_dns();

  [[nodiscard]] bool is_there() const { return static_cast<bool>(network_); }
  // Its endpoints and ports are rows of this container.
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::vector<netns::EndpointRow>& endpoints() const { return endpoints_; }

 private:
  struct Slot {
    const char* what;
    Fd Pod::* fd;
  };
  static const std::vector<Slot>& slots();
  [[nodiscard]] std::vector<netns::Attachment> attachments() const;
  [[nodiscard]] std::string scope() const { return id_.substr(0, 12); }
  Task<> make();

  Context& context_;
  std::string id_;
  Places making_;
  PodInfra infra_;
  Fd network_, ipc_, uts_, dns_udp_, dns_tcp_;
  std::vector<netns::EndpointRow> endpoints_;
};

}  // namespace pcompose::scheduler
