// The host ports of a project: reserved before anything starts, held as long as the container
// exists.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "compose/project.h"
#include "scheduler/context.h"

namespace pcompose::scheduler {

// A port that was in use and got another number.
struct MovedPort {
  std::string container;
  uint16_t wanted = 0;
  uint16_t taken = 0;
};

class PortBook {
 public:
  explicit PortBook(Context& context) : context_(context) {}

  // Called for each port that has to go before another can be had: who splices it must let go.
  using LetGo = std::function<void(const netns::ReservedPort&)>;

  // Reserves what the container's service publishes and the book does not hold yet. What the same
  // container holds and publishes no more makes room: 8080:80 becomes 8080:81 or 127.0.0.1:8080:80.
  // Throws Error with the place of the port in the file; then what was held before is held again,
  // and nothing else. Returns what was moved, where `conflict` allows that.
  Task<std::vector<MovedPort>> reserve(std::string container_name, const compose::Service& service,
                                       netns::Conflict conflict, LetGo let_go);
  // The reserved host port; the written one where the book does not know it.
  [[nodiscard]] uint16_t port_of(const std::string& container_name,
                                 const compose::Port& port) const;
  // A duplicate of the socket that holds the row's host port; empty where the book has none.
  [[nodiscard]] Fd socket_of(const std::string& container_name, const netns::PortRow& row) const;
  // Lets go of the container's ports, but for those that its successor has, too.
  void release(const std::string& container_name,
               const std::optional<compose::Service>& successor = std::nullopt);

  // Before the supervisor ends: its successor, which has another keeper, may want them at once.
  void release_all();

  // From and to the keeper: a descriptor called "p/<key>".
  void restore(const std::string& key, Fd socket);
  void hand_to_keeper();

 private:
  // Container, host address, written port, target and protocol: one publication.
  static std::string key_of(const std::string& container_name, const compose::Port& port);

  using Sockets = std::vector<netns::ReservedPort>;  // one, or one of each family
  using Held = std::map<std::string, Sockets>;
  Task<Sockets> reserve_one(const compose::Port& port, netns::Conflict conflict);
  // The same after others made room: their sockets' last copy, the keeper's, goes a moment later.
  Task<Sockets> reserve_soon(const compose::Port& port, netns::Conflict conflict);
  // One more reservation; what makes room for it goes to `aside`.
  Task<Sockets> take(const std::string& container_name, const compose::Service& service,
                     const compose::Port& port, netns::Conflict conflict, Held& aside,
                     const LetGo& let_go);
  // What the container publishes no more and `port` is in the way of, by key.
  [[nodiscard]] std::vector<std::string> in_the_way(const std::string& container_name,
                                                    const compose::Service& service,
                                                    const compose::Port& port) const;
  Task<> put_back(Held aside);
  void drop(const std::string& key, const Sockets& sockets);
  void keep(const std::string& key, const Sockets& sockets);

  Context& context_;
  Held held_;
};

}  // namespace pcompose::scheduler
