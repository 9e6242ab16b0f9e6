// Where the time of an `up` went, and the health checks that the supervisor makes itself.
#include <filesystem>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class TimelineTest : public StackTest {};

TEST_F(TimelineTest, DrawsAndTracesWhatAllWaitedFor) {
  compose(
      "services:\n"
      "  web: {image: busybox, command: sleep 1000, depends_on: {db: {condition: "
      "service_healthy}}}\n"
      "  db:\n"
      "    image: busybox\n"
      "    command: sh -c 'sleep 0.4; touch /ready; sleep 1000'\n"
      "    healthcheck: {test: test -e /ready, interval: 5s}\n"
      "  other: {image: busybox, command: sleep 1000}\n");
  Result r = expect(0, {"up", "-d", "--timeline", "out.svg"});
  std::string svg = read_file(file("out.svg"));
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg;
  for (const char* part :
       {"-web-1", "-db-1", "probe failed", "probe ok", "healthy", "#d0342c", "web waited "})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  EXPECT_NE(r.err.find("it was not ready yet"), std::string::npos) << r.err;
  expect(0, {"up", "-d", "--force-recreate", "--timeline", "out.json"});
  json::object trace = json::parse(read_file(file("out.json"))).as_object();
  EXPECT_GT(trace.at("traceEvents").as_array().size(), 8U);
  EXPECT_FALSE(trace.at("otherData").as_object().at("advice").as_array().empty());
  EXPECT_NE(expect(1, {"up", "-d", "--timeline", "out.png"}).err.find(".svg"), std::string::npos);
}

TEST_F(TimelineTest, ProbesOfOursNeedNothingInTheImage) {
  write("www/health", "well");
  compose(
      "services:\n"
      "  web:\n"
      "    image: busybox\n"
      "    command: sh -c 'sleep 0.2; httpd -f -p 8080 -h /www'\n"
      "    volumes: ['./www:/www:ro']\n"
      "    expose: ['8080']\n"
      "    healthcheck: {interval: 1s}\n"
      "    x-pcompose-probe: {http: 'http://:8080/health'}\n"
      "  db:\n"
      "    image: busybox\n"
      "    command: sh -c 'sleep 0.2; nc -ll -p 5432 -e cat'\n"
      "    x-pcompose-probe: {tcp: 5432}\n"
      "  ill:\n"
      "    image: busybox\n"
      "    command: httpd -f -p 8080 -h /tmp\n"
      "    healthcheck: {interval: 100ms, retries: 2, x-pcompose-probe: {http: "
      "'http://:8080/nosuch'}}\n");
  expect(0, {"up", "-d", "--wait", "web", "db"});
  EXPECT_EQ(health("web"), "healthy");
  EXPECT_EQ(health("db"), "healthy");
  json::array log = ps()["web"].at("HealthLog").as_array();
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.back().as_object().at("Output").as_string(), "200 OK");
  EXPECT_EQ(log.back().as_object().at("ExitCode").as_int64(), 0);
  expect(0, {"up", "-d", "ill"});
  ASSERT_TRUE(eventually([&] { return health("ill") == "unhealthy"; }));
  ASSERT_TRUE(eventually([&] { return ps()["ill"].at("HealthLog").as_array().size() == 5; }));
  EXPECT_EQ(ps()["ill"]
                .at("HealthLog")
                .as_array()
                .back()
                .as_object()
                .at("Output")
                .as_string()
                .find("404"),
            0U);
}

TEST_F(TimelineTest, AServiceThatListensIsWaitedFor) {
  compose(
      "services:\n"
      "  web: {image: busybox, command: nc -w 1 db 7000, depends_on: {db: {condition: "
      "service_listening}}}\n"
      "  db: {image: busybox, expose: ['7000'], command: sh -c 'sleep 0.4; nc -ll -p 7000 -e echo "
      "hi'}\n"
      "  deaf: {image: busybox, command: sleep 1000}\n"
      "  none: {image: busybox, command: 'true', depends_on: {deaf: {condition: "
      "service_listening}}}\n");
  expect(0, {"up", "-d", "web"});
  ASSERT_TRUE(eventually([&] { return state("web") == "exited"; }));
  EXPECT_EQ(lines("web"), std::vector<std::string>{"hi"});
  EXPECT_NE(expect(1, {"up", "-d", "none"}).err.find("exposes no TCP port"), std::string::npos);
  std::string events = expect(0, {"events", "--since", "1h", "--until", "0s", "db"}).out;
  EXPECT_NE(events.find("listening"), std::string::npos);
}

TEST_F(TimelineTest, WrongProbesAreRefusedWithTheirPlace) {
  compose("services:\n  a: {image: busybox, x-pcompose-probe: {tcp: many}}\n");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("compose.yaml:"), std::string::npos) << err;
  EXPECT_NE(err.find("{tcp: 5432}"), std::string::npos) << err;
}

}  // namespace
}  // namespace pcompose::test
