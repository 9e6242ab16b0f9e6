#include "compose/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pcompose::compose {
namespace {

using testing::ElementsAre;

Project project_of(const std::map<std::string, std::vector<std::string>>& edges) {
  Project project;
  for (const auto& [name, targets] : edges) {
    Service& service = project.services[name];
    service.name = name;
    for (const std::string& target : targets) {
      Dependency dependency;
      dependency.service = target;
      dependency.position = {"f.yaml", 7, 3};
      service.depends_on.push_back(dependency);
    }
  }
  return project;
}

TEST(ServiceGraph, OrdersDependenciesFirstThenByName) {
  ServiceGraph graph(project_of(
      {{"web", {"api", "cache"}}, {"api", {"db"}}, {"cache", {}}, {"db", {}}, {"a", {}}}));
  EXPECT_THAT(graph.order(), ElementsAre("a", "cache", "db", "api", "web"));
  EXPECT_THAT(graph.dependents_of("db"), ElementsAre("api"));
  EXPECT_THAT(graph.dependencies_of("web"), ElementsAre("api", "cache"));
}

TEST(ServiceGraph, SelectsTheClosure) {
  ServiceGraph graph(project_of({{"web", {"api"}}, {"api", {"db"}}, {"db", {}}, {"other", {}}}));
  EXPECT_THAT(graph.selection({"web"}, Dependencies::with), ElementsAre("db", "api", "web"));
  EXPECT_THAT(graph.selection({"web", "db"}, Dependencies::without), ElementsAre("db", "web"));
  EXPECT_EQ(graph.selection({}, Dependencies::without).size(), 4U);
  EXPECT_THROW((void)graph.selection({"nope"}, Dependencies::with), Error);
}

TEST(ServiceGraph, PrintsTheCycle) {
  try {
    ServiceGraph graph(project_of({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}}));
    FAIL();
  } catch (const ComposeError& error) {
    EXPECT_STREQ(error.what(),
                 "f.yaml:7:3: services.c.depends_on: dependency cycle detected: a -> b -> c -> a");
  }
  EXPECT_THROW(ServiceGraph(project_of({{"a", {"a"}}})), ComposeError);
}

TEST(ServiceGraph, ToleratesALongChainAndAMissingService) {
  std::map<std::string, std::vector<std::string>> edges;
  for (int i = 0; i < 5000; ++i) edges["s" + std::to_string(i)] = {"s" + std::to_string(i + 1)};
  ServiceGraph graph(project_of(edges));
  EXPECT_EQ(graph.order().front(), "s4999");
}

}  // namespace
}  // namespace pcompose::compose
