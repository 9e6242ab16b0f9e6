#include <csignal>

#include <gtest/gtest.h>

#include "base/error.h"
#include "scheduler/describe_container.h"

namespace pcompose::scheduler {
namespace {

using Words = std::vector<std::string>;

TEST(Describe, CommandAndEntrypointCombineAsDockerDoes) {
  engine::ImageConfig image;
  image.entrypoint = {"entry"};
  image.cmd = {"cmd"};
  compose::Service s;
  EXPECT_EQ(command_of(s, image), (Words{"entry", "cmd"}));
  s.command = Words{"own"};
  EXPECT_EQ(command_of(s, image), (Words{"entry", "own"}));
  s.entrypoint = Words{"mine"};
  EXPECT_EQ(command_of(s, image), (Words{"mine", "own"}));
  s.command.reset();
  EXPECT_EQ(command_of(s, image), (Words{"mine"}));
  s.entrypoint = Words{};
  s.init = true;
  s.command = Words{"x"};
  EXPECT_EQ(command_of(s, image), (Words{"/sbin/docker-init", "--", "x"}));
}

TEST(Describe, TheServicesEnvironmentWinsAndUnsets) {
  engine::ImageConfig image;
  image.env = {"PATH=/image", "A=1", "B=2"};
  compose::Service s;
  s.environment = {{"A", "3"}, {"B", std::nullopt}};
  EXPECT_EQ(environment_of(s, image, "host", "/root"),
            (Words{"PATH=/image", "HOSTNAME=host", "A=3", "HOME=/root"}));
}

TEST(Describe, HealthChecksInheritFieldByField) {
  engine::ImageConfig image;
  image.healthcheck =
      engine::ImageHealthCheck{.test = {"CMD", "probe"}, .interval = std::chrono::seconds(7)};
  compose::Service s;
  s.healthcheck = compose::HealthCheck{.retries = 9};
  auto probe = probe_of(s, image);
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->args, Words{"probe"});
  EXPECT_EQ(probe->settings.interval, std::chrono::seconds(7));
  EXPECT_EQ(probe->settings.retries, 9);
  EXPECT_EQ(probe->settings.timeout, std::chrono::seconds(30));
  s.healthcheck->disabled = true;
  EXPECT_FALSE(probe_of(s, image));
}

TEST(Describe, Signals) {
  EXPECT_EQ(signal_number("SIGQUIT"), SIGQUIT);
  EXPECT_EQ(signal_number("TERM"), SIGTERM);
  EXPECT_EQ(signal_number("3"), 3);
  EXPECT_EQ(signal_number("SIGRTMIN+3"), SIGRTMIN + 3);
  EXPECT_THROW(signal_number("SIGNOPE"), Error);
}

TEST(Describe, ExposedTcpPorts) {
  engine::ImageConfig image;
  image.exposed_ports = {"80/tcp", "53/udp"};
  compose::Service s;
  s.expose = {"8000-8002"};
  EXPECT_EQ(exposed_tcp_ports(s, image), (std::vector<uint16_t>{8000, 8001, 8002, 80}));
}

}  // namespace
}  // namespace pcompose::scheduler
