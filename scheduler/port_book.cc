#include "scheduler/port_book.h"

#include <algorithm>
#include <exception>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "engine/keeper_client.h"

namespace pcompose::scheduler {

namespace {

constexpr int kAttempts = 100;  // ten milliseconds each

using Sockets = std::vector<netns::ReservedPort>;

bool may_collide(const Sockets& held, const compose::Port& port) {
  if (!port.published) return false;  // any free one
  auto protocol = port.protocol == "udp" ? netns::Protocol::udp : netns::Protocol::tcp;
  return std::ranges::any_of(held, [&](const netns::ReservedPort& r) {
    return r.protocol == protocol && r.port >= *port.published &&
           r.port <= std::max(*port.published, port.published_end);
  });
}

bool same_hosts(const Sockets& held, const compose::Port& port) {
  auto wanted = netns::host_addresses(port.host_ip);
  return std::ranges::equal(held, wanted, {}, &netns::ReservedPort::host);
}

Sockets duplicates(const Sockets& held) {
  Sockets out;
  for (const netns::ReservedPort& r : held)
    out.push_back({r.socket.duplicate(), r.host, r.port, r.protocol});
  return out;
}

}  // namespace

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
    bool in_use = e.hint().ends_with(" is free");  // no other number helps where the address fails
    if (conflict == netns::Conflict::refuse && port.published && in_use)
      e.hint(e.hint() + "; --auto-ports takes one that is");
    throw e.at(port.position);
  }
}

void PortBook::keep(const std::string& key, const Sockets& sockets) {
  for (size_t i = 0; i < sockets.size(); ++i)
    context_.keeper->store(fmt::format("p/{}#{}", key, i), sockets[i].socket.get());
}

void PortBook::drop(const std::string& key, const Sockets& sockets) {
  for (size_t i = 0; i < sockets.size(); ++i) context_.keeper->drop(fmt::format("p/{}#{}", key, i));
}

std::vector<std::string> PortBook::in_the_way(const std::string& container_name,
                                              const compose::Service& service,
                                              const compose::Port& port) const {
  std::set<std::string> wanted;
  for (const auto& p : service.ports) wanted.insert(key_of(container_name, p));
  std::vector<std::string> out;
  for (auto it = held_.lower_bound(container_name + "/");
       it != held_.end() && it->first.starts_with(container_name + "/"); ++it) {
    if (!wanted.contains(it->first) && may_collide(it->second, port)) out.push_back(it->first);
  }
  return out;
}

Task<PortBook::Sockets> PortBook::reserve_soon(const compose::Port& port,
                                               netns::Conflict conflict) {
  for (int attempt = 1;; ++attempt) {
    try {
      co_return co_await reserve_one(port, conflict);
    } catch (const Error&) {
      if (attempt == kAttempts) throw;
    }
    co_await sleep_for(std::chrono::milliseconds(10));
  }
}

Task<PortBook::Sockets> PortBook::take(const std::string& container_name,
                                       const compose::Service& service, const compose::Port& port,
                                       netns::Conflict conflict, Held& aside, const LetGo& let_go) {
  auto keys = in_the_way(container_name, service, port);
  for (const std::string& key : keys) {
    if (same_hosts(held_[key], port)) co_return duplicates(held_[key]);
  }
  if (keys.empty()) co_return co_await reserve_one(port, conflict);
  for (const std::string& key : keys) {
    drop(key, held_[key]);
    Sockets& shadow = aside[key];
    for (netns::ReservedPort& r : held_[key]) {
      let_go(r);
      shadow.push_back({Fd(), r.host, r.port, r.protocol});  // closed: the kernel has it back
    }
    held_.erase(key);
  }
  co_return co_await reserve_soon(port, conflict);
}

Task<> PortBook::put_back(Held aside) {
  for (auto& [key, sockets] : aside) {
    try {
      for (netns::ReservedPort& r : sockets) {
        netns::PublishSpec spec;
        spec.host_ip = r.host.str();
        spec.port = r.port;
        spec.protocol = r.protocol;
        r = std::move((co_await context_.networks->reserve({spec})).front());
      }
      keep(key, sockets);
      held_[key] = std::move(sockets);
    } catch (const Error& e) {
      spdlog::warn("{}: {}", key, e.what());  // it is published still, and may be taken
    }
  }
}

Task<std::vector<MovedPort>> PortBook::reserve(std::string container_name,
                                               const compose::Service& service,
                                               netns::Conflict conflict, LetGo let_go) {
  Held fresh, aside;
  std::vector<MovedPort> moved;
  std::exception_ptr failure;
  try {
    for (const auto& port : service.ports) {
      std::string key = key_of(container_name, port);
      if (held_.contains(key) || fresh.contains(key)) continue;
      Sockets sockets = co_await take(container_name, service, port, conflict, aside, let_go);
      uint16_t taken = sockets.front().port;
      bool in_range = port.published && taken >= *port.published &&
                      taken <= std::max(*port.published, port.published_end);
      if (port.published && !in_range) moved.push_back({container_name, *port.published, taken});
      fresh[key] = std::move(sockets);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    fresh.clear();
    co_await put_back(std::move(aside));
    std::rethrow_exception(failure);
  }
  for (auto& [key, sockets] : fresh) {
    keep(key, sockets);
    held_[key] = std::move(sockets);
  }
  co_return moved;
}

void PortBook::release_all() {
  for (const auto& [key, sockets] : held_) drop(key, sockets);
  held_.clear();
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
    drop(it->first, it->second);
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
