// What the scheduler's adapter uses: networks, endpoints and published ports of a root, off the
// loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/roots.h"
#include "netns/kernel.h"
#include "netns/network_store.h"
#include "netns/ports.h"

namespace pcompose::netns {

// An address pool of a network, of either family; all but the subnet may be "".
struct PoolSpec {
  std::string subnet;
  std::string gateway = {};                     // "" = the subnet's first address
  std::string ip_range = {};                    // dynamic addresses come from it
  std::map<std::string, std::string> aux = {};  // addresses that are never given, by name
};

struct NetworkSpec {
  std::string name;
  std::string project;
  std::string key;
  std::vector<PoolSpec> pools;  // none: subnets of our choice
  Reach reach = Reach::outside;
  std::map<std::string, std::string> labels;
  bool ipv4 = true;
  bool ipv6 = false;
  bool attachable = false;
  std::string driver;  // "" = bridge
  std::map<std::string, std::string> driver_opts;
};

// One network of a container.
struct Attachment {
  std::string network;             // name
  std::vector<std::string> names;  // service, replica, aliases, short id; any letter case
  std::string address = {};        // "" = the lease, else a free one
  std::string mac = {};            // "" = made from the address
  std::string address6 = {};
  std::vector<std::string> link_locals = {};
  std::string interface = {};  // "" = eth0, eth1, …
  int gw_priority = 0;         // the highest has the default route; of equals the first
};

// A namespace to make. Of the attachments that are not internal the one with the highest
// gw_priority carries the default route.
struct ReplicaSpec {
  std::string container;  // id
  std::string project;
  std::string service;
  std::string replica;  // leases belong to (project, replica)
  std::vector<Attachment>
      attachments;  // eth0, eth1, …; none: loopback only, no DNS (network_mode: none)
  int given = -1;   // a new namespace that somebody else made, with its own owner. Not owned
};

// An address that the file fixes: kept from everybody else before dynamic ones are given.
struct FixedAddress {
  std::string network;  // name
  std::string project;
  std::string replica;
  std::string address;  // of either family
};

struct ReplicaNet {
  Fd namespace_fd;
  DnsSockets dns;  // empty without attachments
  std::vector<EndpointRow> endpoints;
};

struct PublishSpec {
  std::string container;
  std::string host_ip;
  uint16_t port = 0;       // 0 = any free one
  uint16_t last_port = 0;  // above `port`: any free one between the two
  Protocol protocol = Protocol::tcp;
  std::string network;  // name: whose address is the target; "" = the one of the default route
  uint16_t target_port = 0;
};

// Where a port is in use: an error, or the next free one.
enum class Conflict : uint8_t { refuse, next_free };

// Why a network that exists cannot serve for `spec`: "the subnet 10.5.0.0/16"; "" where it can.
// Pure. Throws Error where `spec` is wrong.
std::string difference(const NetworkRow& row, const NetworkSpec& spec);

// Opens its own connection to the root's database and one thread that does everything: rtnetlink is
// one lock, two threads are slower. Several processes of one root may work at once: what they share
// (bridges, the table) is changed under a lock file in the run directory. A cancelled call still
// runs to its end on the thread.
//
// Every step can be repeated after a crash between any two: rows are written before the kernel's
// objects are made and removed after they are gone, and making finds what is there.
class Networks {
 public:
  // `home`: the network namespace of the bridges; none = our own.
  explicit Networks(const Roots& roots, Fd home = Fd());
  ~Networks();  // joins the thread; removes nothing

  // Makes the network, or finds it and puts back what is missing in the kernel (reboot, flushed
  // ruleset). One of the same project that nothing is on and that is to be otherwise now is made
  // anew. Throws Error: bad subnet or gateway, an overlap with a route or network, a network of
  // that name with another subnet or reach.
  Task<NetworkRow> ensure_network(NetworkSpec spec);
  // The same for one that must exist (external). Throws Error naming it.
  Task<NetworkRow> use_network(std::string name);
  // Removes bridge, elements and row; the table goes with the last network. Goes on after a failure
  // and returns what failed. An Error where containers are on it; a name that does not exist is
  // fine.
  Task<std::vector<Error>> remove_network(std::string name);
  // The same for many at a project's `down`: one with containers of other projects on it stays, and
  // goes with the last of them. Returns what failed, by name.
  Task<std::map<std::string, Error>> release_networks(std::vector<std::string> names,
                                                      std::string project);
  // Keeps the addresses for their owners. Throws Error where one cannot be given.
  Task<> fix_addresses(std::vector<FixedAddress> addresses);

  // Takes a running container onto a further network, or off one. The namespace is the
  // container's. Throws Error.
  Task<EndpointRow> connect(Fd namespace_fd, ReplicaSpec spec);
  Task<> disconnect(Fd namespace_fd, std::string container, std::string network);

  // watch_tables() in the namespace of the bridges.
  Task<Fd> watch_tables();
  // Puts the table back where somebody flushed it, and has other firewalls let us through that have
  // come or forgot us. True where the table was put back.
  Task<bool> repair();
  // Opens what the first call needs (database, sockets, libnftables) while the caller does
  // something else; what fails then fails again at that call.
  void prepare();
  // Gives back what the last changes took in memory.
  Task<> rest();

  // What the kernel has of this root's and no row knows, in words: a database that was removed
  // leaves it. Then without it; returns what failed.
  Task<std::vector<std::string>> strays();
  Task<std::vector<Error>> remove_strays();

  // All or nothing each: a failure closes the namespace and removes the rows. Throws Error.
  Task<ReplicaNet> make_replica(ReplicaSpec spec);
  // For many at once: one turn of the thread, one transaction. The first failure undoes all.
  Task<std::vector<ReplicaNet>> make_replicas(std::vector<ReplicaSpec> specs);
  // Forgets the container's endpoints and ports (the lease stays). `space`: the namespace, if there
  // is one; its connections are ended. The caller closes its own descriptors.
  Task<std::vector<Error>> remove_replicas(std::vector<std::string> containers, Fd space = {});

  // Binds all; nothing is published yet. One conflict lets go of all. Ports of other projects of
  // this root are named as such. A port without host address is bound in both families, so there
  // may be more reservations than wishes; those of one wish have the same port. Throws Error.
  Task<std::vector<ReservedPort>> reserve(std::vector<PublishSpec> ports,
                                          Conflict conflict = Conflict::refuse);
  // One transaction for all. `ports[i].port` must not be 0 here: take it from the reservation.
  // Returns what the forwarder has to do (PortRow::is_spliced).
  Task<std::vector<PortRow>> publish(std::vector<PublishSpec> ports);
  Task<std::vector<Error>> unpublish(std::vector<std::string> containers);

  // New sockets for a namespace whose old ones are lost.
  Task<DnsSockets> open_dns(Fd namespace_fd);
  // For listeners().
  Task<Fd> open_diag(Fd namespace_fd);
  // As Kernel::open_tcp().
  Task<Fd> open_tcp(Fd namespace_fd, int family);

  Task<std::vector<NetworkRow>> list();
  Task<std::vector<EndpointRow>> endpoints();  // of all projects
  Task<std::vector<PortRow>> ports();

 private:
  struct State;
  std::unique_ptr<State> state_;
  LoopThread thread_;
};

}  // namespace pcompose::netns
