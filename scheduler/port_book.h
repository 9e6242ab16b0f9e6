// The host ports of a project: reserved before anything starts, held as long as the container
// exists.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/loop.h"
#include "scheduler/context.h"

namespace pcompose::scheduler {

class PortBook {
 public:
  explicit PortBook(Context& context) : context_(context) {}

  // Reserves what the container's service publishes and the book does not hold yet. Throws Error
  // with the place of the port in the file; then nothing new is held.
  Task<> reserve(const std::string& container_name, const compose::Service& service);
  // The reserved host port; the written one where the book does not know it.
  [[nodiscard]] uint16_t port_of(const std::string& container_name,
                                 const compose::Port& port) const;
  void release(const std::string& container_name);

  // From and to the keeper: a descriptor called "p/<key>".
  void restore(const std::string& key, Fd socket);
  void hand_to_keeper();

 private:
  // Container, host address, written port, target and protocol: one publication.
  static std::string key_of(const std::string& container_name, const compose::Port& port);

  struct Held {
    Fd socket;
    uint16_t port = 0;
  };
  Context& context_;
  std::map<std::string, Held> held_;
};

}  // namespace pcompose::scheduler
