#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class HealthTest : public StackTest {};

TEST_F(HealthTest, DependentsWaitUntilItIsHealthy) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'sleep 0.3; touch /tmp/ok; exec sleep 1000'
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/ok"], interval: 60s}
  web:
    image: busybox
    command: sleep 1000
    depends_on: {db: {condition: service_healthy}}
)");
  auto before = std::chrono::steady_clock::now();
  expect(0, {"up", "-d", "--wait"});
  // Eager probing: nobody waits for the interval.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(30));
  EXPECT_EQ(health("db"), "healthy");
}

TEST_F(HealthTest, AnUnhealthyDependencyFailsTheUp) {
  compose(R"(services:
  db:
    image: busybox
    command: sleep 1000
    healthcheck: {test: "echo no luck; false", interval: 100ms, retries: 2}
  web:
    image: busybox
    command: sleep 1000
    depends_on: {db: {condition: service_healthy}}
)");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("is unhealthy"), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("no luck"), std::string::npos) << up.err;
}

TEST_F(HealthTest, ATemporaryServerOnLoopbackIsNotHealthyYet) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'timeout 1 nc -ll -p 5432 -s 127.0.0.1 -e true; exec nc -ll -p 5432 -e true'
    expose: ["5432"]
    stop_grace_period: 0s
    healthcheck: {test: "nc -w1 127.0.0.1 5432 < /dev/null", interval: 20s}
  job:
    image: busybox
    command: nc -w1 db 5432
    depends_on: {db: {condition: service_healthy}}
)");
  expect(0, {"up", "-d", "--wait"});
  EXPECT_EQ(ps()["job"].at("ExitCode").as_int64(), 0);
}

TEST_F(HealthTest, WaitingHasItsTimeout) {
  compose(R"(services:
  db:
    image: busybox
    command: sleep 1000
    healthcheck: {test: "false", interval: 30s}
)");
  Result up = expect(1, {"up", "-d", "--wait", "--wait-timeout", "1"});
  EXPECT_NE(up.err.find("application not healthy after 1s"), std::string::npos) << up.err;
  EXPECT_EQ(state("db"), "running");
}

// It is asked to end first, and starts again although it has no restart policy.
TEST_F(HealthTest, TheUnhealthyIsRestartedOnRequest) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'touch /ok; trap "echo asked; exit 0" TERM; echo begun; while :; do sleep 0.05; done'
    healthcheck: {test: [CMD, test, -e, /ok], interval: 100ms, retries: 1}
    x-pcompose: {restart_unhealthy: true}
)");
  expect(0, {"up", "-d", "--wait"});
  expect(0, {"exec", "-T", "db", "rm", "/ok"});
  std::vector<std::string> wanted = {"begun", "asked", "begun"};
  EXPECT_TRUE(eventually([&] { return lines("db") == wanted && health("db") == "healthy"; }));
}

TEST_F(HealthTest, AProbeThatHangsIsAFailure) {
  compose(R"(services:
  db:
    image: busybox
    command: sleep 1000
    healthcheck: {test: sleep 100, interval: 100ms, timeout: 200ms, retries: 1}
)");
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] { return health("db") == "unhealthy"; }));
}

}  // namespace
}  // namespace pcompose::test
