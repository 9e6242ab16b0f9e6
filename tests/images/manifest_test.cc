#include "engine/images/manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/images/report.h"
#include "tests/images/memory_source.h"

namespace pcompose::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Platform kAmd64{"linux", "amd64"};
const std::string kDiff(64, 'd');
constexpr const char* kImage = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndex = "application/vnd.oci.image.index.v1+json";
constexpr const char* kLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

std::string descriptor(MemorySource& source, const std::string& type, const std::string& data,
                       const std::string& more = "") {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})", type, source.blob(data),
                     data.size(), more);
}

std::string config(const std::string& cmd, int layers = 1) {
  std::string ids;
  for (int i = 0; i < layers; ++i) ids += fmt::format("{}\"sha256:{}\"", i == 0 ? "" : ",", kDiff);
  return fmt::format(R"({{"rootfs":{{"diff_ids":[{}]}},"config":{{"Cmd":["{}"]}}}})", ids, cmd);
}

std::string manifest(MemorySource& source, const std::string& cmd,
                     const char* layer_type = kLayer) {
  return fmt::format(R"({{"config":{},"layers":[{}]}})",
                     descriptor(source, "application/vnd.oci.image.config.v1+json", config(cmd)),
                     descriptor(source, layer_type, "layer of " + cmd));
}

std::string platform(const std::string& os, const std::string& architecture) {
  return fmt::format(R"(,"platform":{{"os":"{}","architecture":"{}"}})", os, architecture);
}

std::string annotation(const std::string& key, const std::string& value) {
  return fmt::format(R"(,"annotations":{{"{}":"{}"}})", key, value);
}

std::string list(const std::vector<std::string>& descriptors) {
  std::string all;
  for (const std::string& d : descriptors) all += (all.empty() ? "" : ",") + d;
  return fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", all);
}

TEST(Layout, HasImagesWithTheirNames) {
  for (auto [key, value, expected] : std::vector<std::array<const char*, 3>>{
           {"org.opencontainers.image.ref.name", "1.2", ":1.2"},
           {"org.opencontainers.image.ref.name", "ghcr.io/a/b:1", "ghcr.io/a/b:1"},
           {"org.opencontainers.image.ref.name", "web:1", "web:1"},
           {"io.containerd.image.name", "docker.io/library/web:1", "docker.io/library/web:1"},
           {"other", "x", ""}}) {
    MemorySource source;
    std::string m = manifest(source, "x");
    source.files["index.json"] = list({descriptor(source, kImage, m, annotation(key, value))});
    auto images = read_source(source, kAmd64);
    ASSERT_EQ(images.size(), 1U);
    EXPECT_THAT(images[0].references, ElementsAre(expected));
    EXPECT_EQ(images[0].manifest, "sha256:" + sha256_hex(m));
    ASSERT_EQ(images[0].layers.size(), 1U);
    EXPECT_EQ(images[0].layers[0].diff_id, kDiff);
    EXPECT_EQ(images[0].layers[0].chain_id, kDiff);
    EXPECT_EQ(images[0].layers[0].digest, sha256_hex("layer of x"));
  }
}

TEST(Layout, ChoosesThePlatformInANestedIndex) {
  MemorySource source;
  std::string nested =
      list({descriptor(source, kImage, manifest(source, "arm"), platform("linux", "arm64")),
            descriptor(source, kImage, manifest(source, "ours"), platform("linux", "amd64")),
            descriptor(source, kImage, "attestation", platform("unknown", "unknown"))});
  source.files["index.json"] = list({descriptor(source, kIndex, nested)});
  auto images = read_source(source, kAmd64);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].config, HasSubstr("ours"));
  EXPECT_THAT(read_source(source, {"linux", "arm64"})[0].config, HasSubstr("arm"));
  EXPECT_THAT([&] { read_source(source, {"linux", "s390x"}); },
              testing::ThrowsMessage<Error>(HasSubstr("only for linux/arm64, linux/amd64")));
}

TEST(Layout, OneImageMayHaveSeveralNames) {
  MemorySource source;
  std::string m = manifest(source, "x");
  std::string key = "org.opencontainers.image.ref.name";
  source.files["index.json"] = list({descriptor(source, kImage, m, annotation(key, "1")),
                                     descriptor(source, kImage, m, annotation(key, "latest"))});
  auto images = read_source(source, kAmd64);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].references, ElementsAre(":1", ":latest"));
}

TEST(Layout, DamageIsNamed) {
  MemorySource source;
  std::string m = manifest(source, "x");
  source.files["index.json"] = list({descriptor(source, kImage, m)});
  std::string path = "blobs/sha256/" + sha256_hex(m);
  source.files[path].back() = ' ';
  EXPECT_THAT([&] { read_source(source, kAmd64); },
              testing::ThrowsMessage<Error>(
                  testing::AllOf(HasSubstr("expected sha256:" + sha256_hex(m)),
                                 HasSubstr("found sha256:" + sha256_hex(source.files[path])))));
  source.files[path] += " ";
  EXPECT_THAT([&] { read_source(source, kAmd64); },
              testing::ThrowsMessage<Error>(HasSubstr("bytes")));
  source.files.erase(path);
  EXPECT_THROW(read_source(source, kAmd64), Error);
}

TEST(Layout, WhatIsNoImageIsRefused) {
  MemorySource source;
  source.files["index.json"] = list(
      {descriptor(source, kImage, manifest(source, "x", "application/vnd.example.artifact+json"))});
  EXPECT_THAT([&] { read_source(source, kAmd64); },
              testing::ThrowsMessage<Error>(HasSubstr("no container image")));
  std::string self = list({});
  for (int i = 0; i < 10; ++i) self = list({descriptor(source, kIndex, self)});
  for (const std::string& text :
       {std::string("{}"), std::string("[]"), std::string("{\"manifests\":[1]}"), list({}), self,
        std::string(R"({"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]})"),
        std::string(R"({"manifests":[{"digest":"md5:1","size":1}]})")}) {
    source.files["index.json"] = text;
    EXPECT_THROW(read_source(source, kAmd64), Error) << text.substr(0, 80);
  }
  source.files.clear();
  EXPECT_THAT([&] { read_source(source, kAmd64); },
              testing::ThrowsMessage<Error>(HasSubstr("it holds no image")));
}

TEST(Layers, MustAgreeInNumberAndFit) {
  SourceImage image;
  image.config = config("x", 2);
  image.layers.resize(1);
  EXPECT_THROW(number_layers(image), Error);
  image.layers.resize(2);
  number_layers(image);
  EXPECT_EQ(image.layers[1].chain_id, chain_id(kDiff, kDiff));
  image.config = config("x", 128);
  image.layers.resize(128);
  EXPECT_THAT([&] { number_layers(image); },
              testing::ThrowsMessage<Error>(HasSubstr("127 can be stacked")));
}

TEST(DockerArchive, HasImagesWithTheirTags) {
  MemorySource source;
  std::string c = config("x");
  source.files[sha256_hex(c) + ".json"] = c;
  source.files["manifest.json"] =
      fmt::format(R"([{{"Config":"{}.json","RepoTags":["web:1","web:2"],"Layers":["1/layer.tar"]}},
                      {{"Config":"{}.json","RepoTags":null,"Layers":["1/layer.tar"]}}])",
                  sha256_hex(c), sha256_hex(c));
  auto images = read_source(source, kAmd64);
  ASSERT_EQ(images.size(), 2U);
  EXPECT_THAT(images[0].references, ElementsAre("web:1", "web:2"));
  EXPECT_TRUE(images[1].references.empty());
  EXPECT_EQ(images[0].config_digest, "sha256:" + sha256_hex(c));
  EXPECT_EQ(images[0].layers.at(0).path, "1/layer.tar");
  source.files[sha256_hex(c) + ".json"] = config("y");
  EXPECT_THAT([&] { read_source(source, kAmd64); },
              testing::ThrowsMessage<Error>(HasSubstr("is damaged")));
  for (const char* text : {"{}", "[1]", "[{}]", "[]", R"([{"Config":"missing"}])"}) {
    source.files["manifest.json"] = text;
    EXPECT_THROW(read_source(source, kAmd64), Error) << text;
  }
}

}  // namespace
}  // namespace pcompose::engine
