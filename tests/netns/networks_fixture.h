// A root's networks in a host of the test's own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netns/networks.h"
#include "tests/netns/fake_host.h"
#include "tests/netns/loop_thread.h"

namespace pcompose::netns {

NetworkSpec network(const std::string& name, Reach reach = Reach::outside);
ReplicaSpec replica(const std::string& name, const std::vector<std::string>& networks);
PublishSpec published(const std::string& container, const std::string& host, uint16_t port,
                      Protocol protocol = Protocol::tcp);
// What the error says that `body` ends with; "" where it ends well.
std::string message_of(const std::function<void()>& body);

// A neighbour of the host: a namespace on a bridge that is not ours.
class Lan {
 public:
  Lan(Kernel& kernel, const std::string& name, const std::string& gateway, const std::string& host);
  ~Lan();
  Lan(const Lan&) = delete;
  Lan& operator=(const Lan&) = delete;
  [[nodiscard]] int fd() const { return space_.fd.get(); }

 private:
  Kernel& kernel_;
  std::string name_;
  Namespace space_;
};

class NetworksTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  // Removes all networks; nothing may be left in the kernel.
  void TearDown() override;
  NetworkRow ensure(const NetworkSpec& spec) { return loop_.wait(networks_.ensure_network(spec)); }
  ReplicaNet make(const ReplicaSpec& spec) { return loop_.wait(networks_.make_replica(spec)); }

  static bool ready_;
  Roots roots_;
  TestLoop loop_;
  Networks networks_;

  NetworksTest();
};

}  // namespace pcompose::netns
