// events, logs with a window, ps with filters and templates, stats.
#include <csignal>
#include <sstream>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class EventsTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    compose(
        "services:\n"
        "  web: {image: busybox, command: sh -c 'echo one; sleep 1000', labels: {tier: front}}\n"
        "  job: {image: busybox, command: sh -c 'exit 3'}\n");
  }
  // "web create" for each event of `--json` output.
  static std::vector<std::string> actions(const std::string& text) {
    std::istringstream lines(text);
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) {
      json::object e = json::parse(line).as_object();
      out.push_back(std::string(e.at("service").as_string()) + " " +
                    std::string(e.at("action").as_string()));
    }
    return out;
  }
  static bool in_order(const std::vector<std::string>& all, const std::vector<std::string>& some) {
    auto at = all.begin();
    for (const std::string& one : some) {
      at = std::find(at, all.end(), one);
      if (at == all.end()) return false;
    }
    return true;
  }
};

TEST_F(EventsTest, TheLifeOfAContainerIsToldAfterwards) {
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("job") == "exited"; }));
  expect(0, {"exec", "-T", "web", "true"});
  expect(0, {"restart", "-t", "0", "web"});
  expect(0, {"kill", "web"});
  ASSERT_TRUE(eventually([&] { return state("web") == "exited"; }));
  expect(0, {"rm", "-f", "web"});
  std::string text = expect(0, {"events", "--json", "--since", "1h", "--until", "0s"}).out;
  auto all = actions(text);
  EXPECT_TRUE(
      in_order(all, {"web create", "web start", "web exec_create: true", "web exec_start: true",
                     "web exec_die", "web kill", "web die", "web stop", "web start", "web restart",
                     "web kill", "web die", "web destroy"}))
      << text;
  EXPECT_TRUE(in_order(all, {"job create", "job start", "job die"})) << text;
  EXPECT_NE(text.find("\"exitCode\":\"3\""), std::string::npos);
  EXPECT_NE(text.find("\"tier\":\"front\""), std::string::npos);
  std::string plain = expect(0, {"events", "--since", "1h", "--until", "0s", "job"}).out;
  EXPECT_NE(plain.find(" container create "), std::string::npos);
  EXPECT_EQ(plain.find("-web-1"), std::string::npos);
  EXPECT_NE(expect(1, {"events", "--since", "yesterday"}).err.find("42m"), std::string::npos);
}

TEST_F(EventsTest, WhatComesIsShownAsItComes) {
  Child feed = start_pcompose({"events", "--json"}, "feed");
  // It begins with what comes after it has begun.
  ASSERT_TRUE(eventually([&] {
    expect(0, {"up", "-d", "--force-recreate", "web"});
    return !read_file(file("feed.out")).empty();
  }));
  expect(0, {"up", "-d", "--force-recreate", "web"});
  ASSERT_TRUE(eventually([&] {
    return in_order(actions(read_file(file("feed.out"))),
                    {"web destroy", "web create", "web start"});
  })) << read_file(file("feed.out"));
  feed.pidfd().send_signal(SIGINT);
  EXPECT_EQ(feed.wait().code(), 130);
}

TEST_F(EventsTest, LogsHaveAWindow) {
  expect(0, {"up", "-d", "--scale", "web=2", "web"});
  ASSERT_TRUE(eventually([&] { return lines("web").size() == 2; }));
  auto count = [&](std::vector<std::string> args) {
    std::string out = expect(0, std::move(args)).out;
    return std::count(out.begin(), out.end(), '\n');
  };
  EXPECT_EQ(count({"logs", "--since", "1h"}), 2);
  EXPECT_EQ(count({"logs", "--since", "2100-01-01"}), 0);
  EXPECT_EQ(count({"logs", "--until", "1h"}), 0);
  EXPECT_EQ(count({"logs", "--index", "2", "web"}), 1);
  EXPECT_NE(expect(1, {"logs", "--index", "2"}).err.find("exactly one"), std::string::npos);
  EXPECT_NE(expect(1, {"logs", "--index", "3", "web"})
                .err.find("service \"web\" is not running container #3"),
            std::string::npos);
}

TEST_F(EventsTest, AServiceThatTheFileLacksIsAnError) {
  for (const char* command : {"events", "logs", "ps", "volumes"}) {
    EXPECT_NE(expect(1, {command, "wbe"}).err.find("no such service: wbe"), std::string::npos)
        << command;
  }
}

TEST_F(EventsTest, PsFiltersAndTemplates) {
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("job") == "exited"; }));
  EXPECT_EQ(
      expect(0, {"ps", "--filter", "status=exited", "--format", "{{.Service}} {{.ExitCode}}"}).out,
      "job 3\n");
  EXPECT_EQ(expect(0, {"ps", "--format", "{{.Label \"tier\"}} {{upper .State}}"}).out,
            "front RUNNING\n");
  std::string table = expect(0, {"ps", "-a", "--format", "table {{.Service}}\\t{{.State}}"}).out;
  EXPECT_EQ(table, "SERVICE   STATE\njob       exited\nweb       running\n");
  EXPECT_NE(expect(1, {"ps", "--format", "{{.Nosuch}}"}).err.find("no field"), std::string::npos);
  EXPECT_NE(expect(1, {"ps", "--filter", "name=x"}).err.find("status=STATE"), std::string::npos);
  write("config.json", R"({"psFormat": "table {{.Service}}"})");
  ::setenv("DOCKER_CONFIG", directory_.c_str(), 1);
  EXPECT_EQ(expect(0, {"ps"}).out, "SERVICE\nweb\n");
  ::unsetenv("DOCKER_CONFIG");
  EXPECT_NE(expect(1, {"ps", "--status", "dancing"}).err.find("no state"), std::string::npos);
}

TEST_F(EventsTest, StatsCountWhatRuns) {
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("job") == "exited"; }));
  std::string out = expect(0, {"stats", "--no-stream", "--format", "json"}).out;
  json::object row = json::parse(out.substr(0, out.find('\n'))).as_object();
  EXPECT_EQ(row.at("Service").as_string(), "web");
  EXPECT_EQ(row.at("PIDs").as_string(), "1");
  EXPECT_NE(row.at("MemUsage").as_string().find("iB / "), std::string::npos);
  std::string all = expect(0, {"stats", "-a", "--no-stream"}).out;
  EXPECT_TRUE(all.starts_with("CONTAINER ID   NAME")) << all;
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 3);
  EXPECT_NE(expect(1, {"stats", "--no-stream", "nobody"}).err.find("nobody"), std::string::npos);
}

}  // namespace
}  // namespace pcompose::test
