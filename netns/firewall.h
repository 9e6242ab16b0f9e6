// The one nftables table of a root: networks and published ports are elements of its maps and sets.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "netns/network_store.h"

namespace pcompose::netns {

// Pure: the texts that libnftables reads (nft(8)). Everything in them is a value type of ours or
// was checked: a link name or a tag with other characters than [A-Za-z0-9_.-] throws Error.

// The whole table, empty.
std::string render_table(const std::string& tag);
// A chain more, for namespaces where the forwarder speaks in the clients' names.
std::string render_answers(const std::string& tag, uint32_t mark);
// The chains of it that have rules.
std::set<std::string> chains_with_rules();
enum class Family : uint8_t { v4, v6 };
// Links that must not forward to one another although we had to turn forwarding on: those the host
// had at that moment.
std::string render_foreign(const std::string& tag, Family family,
                           std::span<const std::string> links);
enum class Change { add, remove };
std::string render_network(const std::string& tag, Change change, const NetworkRow& network);
std::string render_ports(const std::string& tag, Change change, std::span<const PortRow> ports);

// Runs libnftables in the process. For the network thread: the context belongs to the namespace of
// the thread that made it.
class Firewall {
 public:
  explicit Firewall(std::string tag);
  ~Firewall();
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  // Where the table is missing, or somebody flushed its rules, makes it in one transaction. True
  // where it did: everything that should be in it has to be added again. Throws Error.
  bool ensure_table();
  // Whether no chain was emptied (nft flush table). Elements are not looked at: who takes those
  // means it.
  [[nodiscard]] bool is_whole();
  // Marks what containers send to sockets that are bound to somebody else's address (ip(7),
  // IP_TRANSPARENT). False where the kernel has no such match. Once for each table.
  [[nodiscard]] bool mark_answers(uint32_t mark);
  // Refuses to forward between these links. Repeated calls are fine.
  void add_foreign(Family family, std::span<const std::string> links);
  [[nodiscard]] bool table_exists();
  void remove_table();  // no error where there is none

  void add_networks(std::span<const NetworkRow> networks);
  void remove_networks(std::span<const NetworkRow> networks);  // one transaction
  // One transaction for all. Both are idempotent: what is there already, or gone already, is no
  // error; an element of another target is replaced. Throws Error.
  void publish(std::span<const PortRow> ports);
  void unpublish(std::span<const PortRow> ports);
  // Loads what changes take, which the first one does otherwise. Throws Error.
  void prepare();
  // Gives back what changes took; the next one loads it again.
  void rest();

 private:
  struct Context;
  // Empty on success, else what nft says.
  std::string run(const std::string& text);
  void require(const std::string& text, const std::string& what);

  std::string tag_;
  Fd socket_;                         // for the question whether the table is there: 10 us
  std::unique_ptr<Context> context_;  // from the first change on
};

}  // namespace pcompose::netns
