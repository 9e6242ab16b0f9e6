#include "scheduler/port_book.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::scheduler {

std::string PortBook::key_of(const std::string& container_name, const compose::Port& port) {
  return fmt::format("{}/{}:{}:{}/{}", container_name, port.host_ip, port.published.value_or(0),
                     port.target, port.protocol);
}

Task<> PortBook::reserve(const std::string& container_name, const compose::Service& service) {
  std::map<std::string, Held> fresh;
  for (const auto& port : service.ports) {
    std::string key = key_of(container_name, port);
    if (held_.contains(key)) continue;
    netns::PublishSpec spec;
    spec.host_ip = port.host_ip;
    spec.port = port.published.value_or(0);
    spec.protocol = port.protocol == "udp" ? netns::Protocol::udp : netns::Protocol::tcp;
    spec.target_port = port.target;
    try {
      auto reserved = co_await context_.networks->reserve({spec});
      fresh[key] = {std::move(reserved.at(0).socket), reserved.at(0).port};
    } catch (Error& e) {
      throw e.at(port.position);
    }
  }
  for (auto& [key, held] : fresh) {
    context_.keeper->store("p/" + key, held.socket.get());
    held_[key] = std::move(held);
  }
}

uint16_t PortBook::port_of(const std::string& container_name, const compose::Port& port) const {
  auto it = held_.find(key_of(container_name, port));
  return it == held_.end() ? port.published.value_or(0) : it->second.port;
}

void PortBook::release(const std::string& container_name) {
  for (auto it = held_.begin(); it != held_.end();) {
    if (!it->first.starts_with(container_name + "/")) {
      ++it;
      continue;
    }
    context_.keeper->drop("p/" + it->first);
    it = held_.erase(it);
  }
}

void PortBook::restore(const std::string& key, Fd socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  held_[key] = {std::move(socket), ntohs(address.sin_port)};
}

void PortBook::hand_to_keeper() {
  for (const auto& [key, held] : held_) context_.keeper->store("p/" + key, held.socket.get());
}

}  // namespace pcompose::scheduler
