// The host ports of a project: reserved before anything starts, held as long as the container
// exists.
#pragma once

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

  // Reserves what the container's service publishes and the book does not hold yet. Throws Error
  // with the place of the port in the file; then nothing new is held. Returns what was moved, where
  // `conflict` allows that.
  Task<std::vector<MovedPort>> reserve(std::string container_name, const compose::Service& service,
                                       netns::Conflict conflict);
  // The reserved host port; the written one where the book does not know it.
  [[nodiscard]] uint16_t port_of(const std::string& container_name,
                                 const compose::Port& port) const;
  // A duplicate of the socket that holds the row's host port; empty where the book has none.
  [[nodiscard]] Fd socket_of(const std::string& container_name, const netns::PortRow& row) const;
  // Lets go of the container's ports, but for those that its successor has, too.
  void release(const std::string& container_name,
               const std::optional<compose::Service>& successor = std::nullopt);

  // From and to the keeper: a descriptor called "p/<key>".
  void restore(const std::string& key, Fd socket);
  void hand_to_keeper();

 private:
  // Container, host address, written port, target and protocol: one publication.
  static std::string key_of(const std::string& container_name, const compose::Port& port);

  using Sockets = std::vector<netns::ReservedPort>;  // one, or one of each family
  Task<Sockets> reserve_one(const compose::Port& port, netns::Conflict conflict);
  void keep(const std::string& key, const Sockets& sockets);

  Context& context_;
  std::map<std::string, Sockets> held_;
};

}  // namespace pcompose::scheduler
