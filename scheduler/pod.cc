#include "scheduler/pod.h"

#include <map>

#include "base/error.h"
#include "netns/pod_namespaces.h"
#include "scheduler/pod_id.h"

namespace pcompose::scheduler {

Pod::Pod(Context& context)
    : context_(context),
      id_(pod_id(context.roots, context.project)),
      making_(context.executor),
      infra_(context) {}

const std::vector<Pod::Slot>& Pod::slots() {
  // The network last: a supervisor may die between two, and who finds it finds the others.
  static const std::vector<Slot> kSlots = {{"ipc", &Pod::ipc_},
                                           {"uts", &Pod::uts_},
                                           {"dns-udp", &Pod::dns_udp_},
                                           {"dns-tcp", &Pod::dns_tcp_},
                                           {"net", &Pod::network_}};
  return kSlots;
}

// Every service's names lead to the pod: who asks for "db" gets the address that both have.
std::vector<netns::Attachment> Pod::attachments() const {
  std::map<std::string, netns::Attachment> by_network;
  for (const auto& [name, service] : context_.model->services) {
    for (const auto& n : service.networks) {
      auto network = context_.model->networks.find(n.network);
      if (network == context_.model->networks.end())
        throw Error("the project has no network " + n.network).at(n.position);
      netns::Attachment& a = by_network[n.network];
      a.network = network->second.name;
      a.names.push_back(name);
      a.names.push_back(service.container_name.empty() ? context_.project + "-" + name + "-1"
                                                       : service.container_name);
      a.names.insert(a.names.end(), n.aliases.begin(), n.aliases.end());
    }
  }
  std::vector<netns::Attachment> out;
  for (auto& [key, attachment] : by_network) out.push_back(std::move(attachment));
  return out;
}

Task<> Pod::make() {
  auto space = co_await netns::make_pod_namespaces();
  netns::ReplicaSpec spec{id_, context_.project, "", context_.project + "-pod", attachments()};
  netns::ReplicaNet net = co_await context_.networks->make_replica(std::move(spec));
  ipc_ = std::move(space.ipc);
  uts_ = std::move(space.uts);
  network_ = std::move(net.namespace_fd);
  dns_udp_ = std::move(net.dns.udp);
  dns_tcp_ = std::move(net.dns.tcp);
  endpoints_ = std::move(net.endpoints);
  hand_to_keeper();
  serve_dns();
  context_.names_changed();
}

Task<SharedNetwork> Pod::share() {
  auto inside = co_await making_.enter();
  if (!network_) co_await make();
  if (endpoints_.empty()) {
    for (auto& e : co_await context_.networks->endpoints()) {
      if (e.container == id_) endpoints_.push_back(std::move(e));
    }
  }
  SharedNetwork out{network_.duplicate(), context_.project, endpoints_, ipc_.duplicate(),
                    uts_.duplicate()};
  if (context_.model->pod_pid) out.pid = co_await infra_.pid_namespace(out);
  co_return out;
}

Task<> Pod::release(std::function<bool()> is_used) {
  auto inside = co_await making_.enter();
  if (is_used()) co_return;
  co_await infra_.stop();
  co_await context_.dns->stop(scope());
  Fd space = network_ ? network_.duplicate() : Fd();
  for (const Slot& slot : slots()) {
    context_.keeper->drop(std::string("pod/") + slot.what);
    (this->*slot.fd).reset();
  }
  endpoints_.clear();
  co_await context_.networks->remove_replicas({id_}, std::move(space));
  context_.names_changed();
}

void Pod::restore(const std::string& what, Fd fd) {
  for (const Slot& slot : slots()) {
    if (what == slot.what) this->*slot.fd = std::move(fd);
  }
}

void Pod::hand_to_keeper() {
  for (const Slot& slot : slots()) {
    const Fd& fd = this->*slot.fd;
    if (fd) context_.keeper->store(std::string("pod/") + slot.what, fd.get());
  }
  infra_.hand_to_keeper();
}

void Pod::serve_dns() {
  if (network_ && dns_udp_ && dns_tcp_)
    context_.dns->serve(scope(), dns_udp_.duplicate(), dns_tcp_.duplicate());
}

}  // namespace pcompose::scheduler
