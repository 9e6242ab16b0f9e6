// What the processes of one ordinary user and root directory share: a user namespace with the
// user's subordinate ids, and in it the network namespace with all bridges. As root there is none.
#pragma once

#include <utility>

#include "base/fd.h"
#include "base/process.h"
#include "base/roots.h"

namespace pcompose::engine {

class SharedNamespaces {
 public:
  // Finds those of the root, or makes them: newuidmap(1) and newgidmap(1) give the ids, pasta(1) or
  // slirp4netns(1) the way out. With neither range nor programs a single id is mapped. Throws Error
  // with the cure.
  static SharedNamespaces open(const Roots& roots);
  // Those that a process inside lives in.
  static SharedNamespaces join(const Roots& roots);

  // Starts the program in the user namespace, as its root, with a mount namespace of its own and
  // our network namespace. It holds a connection, too, as long as it does not close what it
  // inherits.
  [[nodiscard]] Child spawn_inside(SpawnOptions options) const;
  // What spawn_inside() would start. To be spawned while we are here.
  [[nodiscard]] SpawnOptions inside(SpawnOptions options) const;

  // The network namespace of the bridges.
  [[nodiscard]] const Fd& network() const { return network_; }

 private:
  SharedNamespaces(Fd connection, Fd user, Fd network)
      : connection_(std::move(connection)), user_(std::move(user)), network_(std::move(network)) {}

  Fd connection_;  // the namespaces live as long as anybody holds one
  Fd user_;
  Fd network_;
};

}  // namespace pcompose::engine
