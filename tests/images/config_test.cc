#include "engine/images/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/report.h"

namespace pcompose::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

ImageDocument parse(const std::string& config) {
  return parse_image_document(
      "{\"created\":\"2023-11-14T22:13:20Z\",\"architecture\":\"amd64\","
      "\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}," +
      config + "}");
}

TEST(ImageDocument, HoldsWhatAContainerInherits) {
  ImageDocument d = parse(R"("config":{
    "Env":["PATH=/bin","A=b"],"Entrypoint":["/e"],"Cmd":["c","d"],"WorkingDir":"/w","User":"1:2",
    "StopSignal":"SIGINT","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/data":{}},
    "Labels":{"k":"v"},"Healthcheck":{"Test":["CMD","ok"],"Interval":2000000000,
    "Timeout":3000000000,"StartPeriod":4000000000,"StartInterval":5000000,"Retries":7}})");
  const ImageConfig& c = d.config;
  EXPECT_THAT(c.env, ElementsAre("PATH=/bin", "A=b"));
  EXPECT_THAT(c.entrypoint, ElementsAre("/e"));
  EXPECT_THAT(c.cmd, ElementsAre("c", "d"));
  EXPECT_EQ(c.working_dir, "/w");
  EXPECT_EQ(c.user, "1:2");
  EXPECT_EQ(c.stop_signal, "SIGINT");
  EXPECT_THAT(c.exposed_ports, ElementsAre("80/tcp", "53/udp"));
  EXPECT_THAT(c.volumes, ElementsAre("/data"));
  EXPECT_THAT(c.labels, ElementsAre(Pair("k", "v")));
  ASSERT_TRUE(c.healthcheck);
  EXPECT_THAT(c.healthcheck->test, ElementsAre("CMD", "ok"));
  EXPECT_EQ(c.healthcheck->interval, 2s);
  EXPECT_EQ(c.healthcheck->timeout, 3s);
  EXPECT_EQ(c.healthcheck->start_period, 4s);
  EXPECT_EQ(c.healthcheck->start_interval, 5ms);
  EXPECT_EQ(c.healthcheck->retries, 7);
  EXPECT_EQ(d.architecture, "amd64");
  EXPECT_EQ(d.created, "2023-11-14T22:13:20Z");
}

TEST(ImageDocument, KeepsItsConfigurationThroughTheStore) {
  ImageDocument d = parse(R"("config":{"Cmd":["x"],"Healthcheck":{"Test":["NONE"]}})");
  ImageConfig again = parse_image_config(parse_json(d.config_json, "row"));
  EXPECT_THAT(again.cmd, ElementsAre("x"));
  EXPECT_THAT(again.healthcheck.value().test, ElementsAre("NONE"));
}

TEST(ImageDocument, TakesNullsAndAbsentFieldsForNothing) {
  for (const char* text :
       {R"("config":{"Env":null,"Cmd":null,"Entrypoint":null,"Volumes":null,"ExposedPorts":null,
           "Labels":null,"User":null,"Healthcheck":null})",
        R"("config":null)", R"("config":{})", R"("history":[])"}) {
    ImageDocument d = parse(text);
    EXPECT_TRUE(d.config.cmd.empty() && d.config.entrypoint.empty() && d.config.volumes.empty());
    EXPECT_FALSE(d.config.healthcheck);
  }
}

TEST(ImageDocument, TakesZeroForTheDefault) {
  ImageDocument d =
      parse(R"("config":{"Healthcheck":{"Test":["CMD","x"],"Interval":0,"Retries":0}})");
  EXPECT_FALSE(d.config.healthcheck->interval);
  EXPECT_FALSE(d.config.healthcheck->retries);
  EXPECT_FALSE(parse(R"("config":{"Healthcheck":{"Interval":1}})").config.healthcheck);
}

TEST(ImageDocument, TakesAStringForAListAsVeryOldImagesHaveIt) {
  EXPECT_THAT(parse(R"("config":{"Entrypoint":"/run"})").config.entrypoint, ElementsAre("/run"));
}

TEST(ImageDocument, NamesTheFieldThatIsWrong) {
  for (auto [text, field] : std::vector<std::pair<const char*, const char*>>{
           {R"("config":{"Env":[1]})", "Env"},
           {R"("config":{"Env":{}})", "Env"},
           {R"("config":{"User":1})", "User"},
           {R"("config":{"Volumes":[]})", "Volumes"},
           {R"("config":{"Labels":{"a":1}})", "Labels"},
           {R"("config":{"Healthcheck":[]})", "Healthcheck"},
           {R"("config":{"Healthcheck":{"Test":["CMD"],"Interval":-1}})", "Interval"},
           {R"("config":{"Healthcheck":{"Test":["CMD"],"Retries":1e30}})", "Retries"},
           {R"("config":[])", "config"}}) {
    EXPECT_THAT([&] { parse(text); }, testing::ThrowsMessage<Error>(HasSubstr(field)));
  }
  for (const char* text : {"", "[]", "{}", "{\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}", "{"})
    EXPECT_THROW(parse_image_document(text), Error) << text;
}

TEST(Report, ComesBackAsItWas) {
  LoadedImage image{{"a:1", ":2"}, "sha256:m",        "sha256:i",
                    "sha256:c",    "{\"x\":\"\\n\"}", {{"aa", "bb", 7, {"sha256:b", 5, "t"}}}};
  auto images = read_report(report_line(image) + report_done());
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].references, image.references);
  EXPECT_EQ(images[0].config, image.config);
  EXPECT_EQ(images[0].layers.at(0).size, 7);
  EXPECT_EQ(images[0].layers.at(0).blob.digest, "sha256:b");
  EXPECT_EQ(images[0].image_manifest, "sha256:i");
}

TEST(Report, OfADeadWorkerIsAnError) {
  LoadedImage image{{"a"}, "", "", "sha256:c", "{}", {}};
  for (const std::string& lines : {std::string(), report_line(image), report_line(image) + "{\"do"})
    EXPECT_THAT([&] { read_report(lines); },
                testing::ThrowsMessage<Error>(HasSubstr("ended before")));
  EXPECT_THAT([] { read_report(report_error("no space", "make some")); },
              testing::ThrowsMessage<Error>("no space (make some)"));
}

TEST(LayerName, AreThoseOfTheSpecification) {
  std::string a(64, 'a'), b(64, 'b');
  EXPECT_EQ(chain_id("", a), a);
  EXPECT_EQ(chain_id(a, b), sha256_hex("sha256:" + a + " sha256:" + b));
  EXPECT_EQ(link_name(std::string(64, '0')), std::string(26, 'a'));
  EXPECT_EQ(link_name(std::string(64, 'f')), std::string(26, '7'));
  EXPECT_EQ(link_name("08" + std::string(62, '0')).substr(0, 3), "baa");
}

}  // namespace
}  // namespace pcompose::engine
