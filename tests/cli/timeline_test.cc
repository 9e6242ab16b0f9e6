#include "cli/timeline.h"

#include <gtest/gtest.h>

namespace pcompose::cli {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

class TimelineTest : public testing::Test {
 protected:
  TimelineTest() {
    project_.name = "shop";
    for (const char* name : {"db", "web"}) project_.services[name].name = name;
    project_.services["web"].depends_on = {
        {.service = "db", .condition = compose::Condition::service_healthy}};
  }
  void operation(const char* verb, const char* name, const char* state, int64_t at_ms) {
    timeline_.add({{"verb", verb},
                   {"kind", "container"},
                   {"name", name},
                   {"state", state},
                   {"time_ns", at_ms * kMillisecond}});
  }
  void container(const char* service, const char* name, int64_t prepared, int64_t started) {
    operation("prepare", name, "begun", prepared - 10);
    operation("prepare", name, "done", prepared);
    operation("start", name, "begun", started - 5);
    event(service, name, "start", started - 1, {});
    operation("start", name, "done", started);
  }
  void event(const char* service, const char* name, const char* action, int64_t at_ms,
             json::object attributes) {
    attributes["name"] = name;
    timeline_.add({{"event", action},
                   {"service", service},
                   {"time_ns", at_ms * kMillisecond},
                   {"attributes", std::move(attributes)}});
  }
  void probe(int64_t began_ms, int64_t ended_ms, const char* result) {
    event("db", "shop-db-1", "probe", ended_ms,
          {{"began_ns", std::to_string(began_ms * kMillisecond)}, {"result", result}});
  }
  compose::Project project_;
  Timeline timeline_{project_, 0};
};

TEST_F(TimelineTest, SaysWhatTheSlowestChainWaitedFor) {
  container("db", "shop-db-1", 50, 100);
  probe(100, 110, "failed");
  probe(500, 510, "failed");
  probe(4990, 5000, "ok");
  event("db", "shop-db-1", "health_status: healthy", 5000, {});
  container("web", "shop-web-1", 60, 5010);
  EXPECT_EQ(timeline_.advice(),
            (std::vector<std::string>{
                "web waited 4.9 s for db, of which 0.4 s it was not ready yet (2 probes failed) "
                "and 4.5 s nobody looked: a shorter interval or start_interval would help",
                "all of it took 5.0 s"}));
  std::string svg = timeline_.svg();
  EXPECT_NE(svg.find("shop-db-1"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  json::object trace = json::parse(timeline_.trace()).as_object();
  EXPECT_NE(timeline_.trace().find("shop-db-1 (critical path)"), std::string::npos);
  EXPECT_GT(trace.at("traceEvents").as_array().size(), 8U);
}

TEST_F(TimelineTest, NothingHappened) {
  EXPECT_TRUE(timeline_.svg().ends_with("</svg>\n"));
  EXPECT_EQ(timeline_.advice().size(), 1U);
}

TEST_F(TimelineTest, NamesAreEscaped) {
  container("web", "<script>", 50, 100);
  EXPECT_EQ(timeline_.svg().find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace pcompose::cli
