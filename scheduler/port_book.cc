#include "scheduler/port_book.h"

#include <netinet/in.h>
#include <set>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/keeper_client.h"

namespace pcompose::scheduler {

std::string PortBook::key_of(const std::string& container_name, const compose::Port& port) {
  return fmt::format("{}/{}:{}:{}/{}", container_name, port.host_ip, port.published.value_or(0),
                     port.target, port.protocol);
}

Task<PortBook::Sockets> PortBook::reserve_one(const compose::Port& port, netns::Conflict conflict) {
  netns::PublishSpec spec;
  spec.host_ip = port.host_ip;
  spec.port = port.published.value_or(0);
  spec.last_port = port.published_end;
  spec.protocol = port.protocol == "udp" ? netns::Protocol::udp : netns::Protocol::tcp;
  spec.target_port = port.target;
  try {
    co_return co_await context_.networks->reserve({spec}, conflict);
  } catch (Error& e) {
    if (conflict == netns::Conflict::refuse && port.published && !e.hint().empty())
      e.hint(e.hint() + "; --auto-ports takes one that is");
    throw e.at(port.position);
  }
}

void PortBook::keep(const std::string& key, const Sockets& sockets) {
  for (size_t i = 0; i < sockets.size(); ++i)
    context_.keeper->store(fmt::format("p/{}#{}", key, i), sockets[i].socket.get());
}

Task<std::vector<MovedPort>> PortBook::reserve(std::string container_name,
                                               const compose::Service& service,
                                               netns::Conflict conflict) {
  std::map<std::string, Sockets> fresh;
  std::vector<MovedPort> moved;
  for (const auto& port : service.ports) {
    std::string key = key_of(container_name, port);
    if (held_.contains(key) || fresh.contains(key)) continue;
    Sockets sockets = co_await reserve_one(port, conflict);
    uint16_t taken = sockets.front().port;
    bool in_range = port.published && taken >= *port.published &&
                    taken <= std::max(*port.published, port.published_end);
    if (port.published && !in_range) moved.push_back({container_name, *port.published, taken});
    fresh[key] = std::move(sockets);
  }
  for (auto& [key, sockets] : fresh) {
    keep(key, sockets);
    held_[key] = std::move(sockets);
  }
  co_return moved;
}

uint16_t PortBook::port_of(const std::string& container_name, const compose::Port& port) const {
  auto it = held_.find(key_of(container_name, port));
  return it == held_.end() ? port.published.value_or(0) : it->second.front().port;
}

Fd PortBook::socket_of(const std::string& container_name, const netns::PortRow& row) const {
  for (auto it = held_.lower_bound(container_name + "/");
       it != held_.end() && it->first.starts_with(container_name + "/"); ++it) {
    for (const netns::ReservedPort& r : it->second) {
      if (r.host == row.host && r.port == row.port && r.protocol == row.protocol)
        return r.socket.duplicate();
    }
  }
  return {};
}

void PortBook::release(const std::string& container_name,
                       const std::optional<compose::Service>& successor) {
  std::set<std::string> kept;
  if (successor) {
    for (const auto& port : successor->ports) kept.insert(key_of(container_name, port));
  }
  for (auto it = held_.begin(); it != held_.end();) {
    if (!it->first.starts_with(container_name + "/") || kept.contains(it->first)) {
      ++it;
      continue;
    }
    for (size_t i = 0; i < it->second.size(); ++i)
      context_.keeper->drop(fmt::format("p/{}#{}", it->first, i));
    it = held_.erase(it);
  }
}

void PortBook::restore(const std::string& name, Fd socket) {
  try {
    auto bound = netns::bound_port(std::move(socket));
    held_[name.substr(0, name.rfind('#'))].push_back(std::move(bound));
  } catch (const Error&) {
    return;  // not a socket of ours
  }
}

void PortBook::hand_to_keeper() {
  for (const auto& [key, sockets] : held_) keep(key, sockets);
}

}  // namespace pcompose::scheduler
