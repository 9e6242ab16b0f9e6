// A stack on a host with a firewall of its own: real packets between containers, the host and a
// neighbour on its network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/netns/networks_fixture.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {

class FirewallsTest : public StackTest {
 protected:
  void SetUp() override;     // compose.yaml: web publishes 18080, app asks
  void TearDown() override;  // flushes all rules

  static void nft(const std::string& command);
  // Runs it to its end.
  [[nodiscard]] Result program(const std::string& path, std::vector<std::string> arguments) const;
  void iptables(std::vector<std::string> arguments);
  [[nodiscard]] std::string rules() const;  // of iptables, all

  std::string in_app(const std::string& command);
  // A container reaches the world and its sibling, the world a published port and nothing else.
  bool all_ways_are_open();
  void expect_open(const std::string& when);

  netns::Kernel kernel_;
  std::optional<netns::Lan> lan_;
  std::optional<netns::EchoServer> world_;
};

}  // namespace pcompose::test
