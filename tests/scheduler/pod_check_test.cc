#include "scheduler/pod_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::scheduler {
namespace {

using testing::HasSubstr;

compose::Service& add(compose::Project& project, const std::string& name) {
  compose::Service& service = project.services[name];
  service.name = name;
  service.position = {"compose.yaml", static_cast<int>(project.services.size()), 3};
  service.networks.push_back({.network = "default"});
  return service;
}

std::string problems(const compose::Project& project, const ImagePorts& images = {}) {
  try {
    check_pod(project, images);
    return "";
  } catch (const ComposeError& e) {
    return e.what();
  }
}

compose::Port port(uint16_t target, const std::string& protocol = "tcp") {
  compose::Port p;
  p.target = target;
  p.protocol = protocol;
  p.position = {"compose.yaml", 9, 9};
  return p;
}

TEST(PodCheckTest, WhatDiffersMayMeet) {
  compose::Project project;
  add(project, "a").ports = {port(80), port(53)};
  add(project, "b").ports = {port(53, "udp")};
  add(project, "c").scale = 3;  // declares no port
  EXPECT_EQ(problems(project), "");
}

TEST(PodCheckTest, OneServiceMayDeclareAPortTwice) {
  compose::Project project;
  compose::Service& a = add(project, "a");
  a.ports = {port(80), port(80)};
  a.expose = {"80", "8000-8002"};
  EXPECT_EQ(problems(project, {{"a", {"80/tcp"}}}), "");
}

TEST(PodCheckTest, PortsOfAllKindsClash) {
  compose::Project project;
  add(project, "a").ports = {port(80)};
  add(project, "b").expose = {"79-80/tcp"};
  EXPECT_THAT(problems(project), HasSubstr("services.b.expose[0]: port 80/tcp is service a's "
                                           "already, at compose.yaml:9:9"));
  project.services["b"].expose.clear();
  EXPECT_THAT(problems(project, {{"b", {"80/tcp"}}}), HasSubstr("services.b.image: port 80/tcp"));
  // A job has the image of what it works on, and listens on nothing.
  add(project, "c")
      .depends_on.push_back(
          {.service = "b", .condition = compose::Condition::service_completed_successfully});
  EXPECT_EQ(problems(project, {{"b", {"80/tcp"}}}), "");
}

TEST(PodCheckTest, OneAddressOneNameOneNetwork) {
  compose::Project project;
  add(project, "a").networks[0].ipv4_address = "10.0.0.5";
  compose::Service& b = add(project, "b");
  b.hostname = "x";
  b.networks.push_back({.network = "other"});
  b.mac_address = "02:00:00:00:00:01";
  std::string text = problems(project);
  EXPECT_THAT(text, HasSubstr("services.a.networks.default: a pod has one address"));
  EXPECT_THAT(text, HasSubstr("services.b.hostname: a pod has one host name"));
  EXPECT_THAT(text, HasSubstr("services.b.networks.other: a pod is on one network"));
  EXPECT_THAT(text, HasSubstr("services.b.mac_address"));
}

TEST(PodCheckTest, ReplicasOfAListenerClashWithThemselves) {
  compose::Project project;
  compose::Service& a = add(project, "a");
  a.ports = {port(80)};
  a.scale = 2;
  EXPECT_THAT(problems(project), HasSubstr("services.a.scale: 2 containers in one pod"));
}

}  // namespace
}  // namespace pcompose::scheduler
