// Hostile sources of images: archives and layouts whose documents lie. The worker reads them as it
// does for everybody; nothing of them gets into the store.
#include <functional>

#include "tests/images/pull_fixture.h"
#include "tests/images/raw_tar.h"

namespace pcompose::engine {
namespace {

using fixture::ImageParts;
using fixture::make_tar;
using fixture::TarFile;
using testing::HasSubstr;

class MaliciousSource : public PullTest {
 protected:
  MaliciousSource() {
    write("victim/file", "untouched");
    write("victim/config.json", config());
  }
  static std::string layer() { return make_tar({{.path = "f", .content = "x"}}); }
  static std::string config() {
    return R"({"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers",)"
           R"("diff_ids":["sha256:)" +
           sha256_hex(layer()) + "\"]}}";
  }
  static std::string manifest(const std::string& config, const std::string& layer) {
    return R"([{"Config":")" + config + R"(","RepoTags":["x:1"],"Layers":[")" + layer + "\"]}]";
  }
  void refuse(const std::string& archive, const std::string& why) {
    write("archive", archive);
    refuse_source(directory_ / "archive", why);
  }
  void refuse_source(const std::string& source, const std::string& why) {
    EXPECT_THAT([&] { store_.load(source, "x:1"); }, testing::ThrowsMessage<Error>(HasSubstr(why)));
    EXPECT_TRUE(store_.tags().empty());
    EXPECT_THAT(layer_directories(), testing::Each(testing::Not(testing::StartsWith(".tmp-"))));
    EXPECT_EQ(read_file(directory_ / "victim/file"), "untouched");
  }
  // A layout of one layer, changed by `change` before it is read.
  void refuse_layout(const std::function<void(const std::string& layout)>& change,
                     const std::string& why) {
    fs::remove_all(directory_ / "layout");
    ImageParts parts;
    parts.layers = {layer()};
    fixture::write_layout(directory_ / "layout", parts);
    change(directory_ / "layout");
    refuse_source(directory_ / "layout", why);
  }
  // The blob that holds `text`.
  static std::string blob_with(const std::string& layout, const std::string& text) {
    for (const auto& entry : fs::directory_iterator(layout + "/blobs/sha256")) {
      if (read_file(entry.path()).contains(text)) return entry.path();
    }
    throw Error("no such blob");
  }
};

TEST_F(MaliciousSource, NamesInAnArchiveAreNamesOfMembers) {
  std::string victim = directory_ / "victim";
  for (const std::string& prefix : {std::string("../victim/"), std::string("../../../../../.."),
                                    victim + "/", std::string("/etc/")}) {
    refuse(make_tar({{.path = "manifest.json", .content = manifest(prefix + "config.json", "l")},
                     {.path = "l", .content = layer()}}),
           "the archive lacks");
  }
  refuse(make_tar({{.path = "manifest.json", .content = manifest("c", "/etc/passwd")},
                   {.path = "c", .content = config()}}),
         "the archive lacks");
}

TEST_F(MaliciousSource, LinksInAnArchiveLeadToMembers) {
  std::string victim = directory_ / "victim";
  for (const std::string& target : {victim + "/config.json", std::string("../victim/config.json"),
                                    std::string("c"), std::string("/etc/passwd")}) {
    refuse(make_tar({{.path = "manifest.json", .content = manifest("c", "l")},
                     {.path = "c", .type = 'l', .content = target},
                     {.path = "l", .content = layer()}}),
           "the archive lacks c");
  }
}

TEST_F(MaliciousSource, WhatIsNoFileInAnArchive) {
  for (char type : {'d', 'p', 'c', 'b'}) {
    refuse(make_tar({{.path = "manifest.json", .content = manifest("c", "l")},
                     {.path = "c", .content = config()},
                     {.path = "l", .type = type}}),
           "the archive lacks l");
  }
  refuse(make_tar({{.path = "manifest.json", .type = 'd'}}), "holds no image");
}

TEST_F(MaliciousSource, DocumentsThatAreNone) {
  auto with = [](const std::string& text) {
    return make_tar({{.path = "manifest.json", .content = text}});
  };
  for (const char* text : {"", "{}", "[1]", "[{}]", "[{\"Config\":1}]", "\xff", "[[[[[[[["})
    refuse(with(text), "");
  refuse(with("[" + std::string(100'000, '[')), "");
  refuse(with(std::string(5U << 20U, ' ')), "longer than");
  refuse(make_tar({{.path = "manifest.json", .content = manifest("c", "l")},
                   {.path = "c", .content = "{\"rootfs\":{\"diff_ids\":[]}}"},
                   {.path = "l", .content = layer()}}),
         "layers");
}

TEST_F(MaliciousSource, AConfigurationOfAnotherDigestThanItsName) {
  std::string name = std::string(64, 'a') + ".json";
  refuse(make_tar({{.path = "manifest.json", .content = manifest(name, "l")},
                   {.path = name, .content = config()},
                   {.path = "l", .content = layer()}}),
         "is damaged");
}

TEST_F(MaliciousSource, ALayerOfAnotherDiffId) {
  refuse(make_tar({{.path = "manifest.json", .content = manifest("c", "l")},
                   {.path = "c", .content = config()},
                   {.path = "l", .content = make_tar({{.path = "f", .content = "y"}})}}),
         "is not what the image says");
}

TEST_F(MaliciousSource, AHostileLayerWithinAnArchive) {
  std::string evil = make_tar({{.path = "x", .type = 'l', .content = directory_ / "victim"},
                               {.path = "x/file", .content = "bad"}});
  ImageParts parts;
  parts.layers = {evil};
  fixture::write_docker_archive(directory_ / "archive", parts, {"x:1"});
  refuse_source(directory_ / "archive", "x/file");
}

TEST_F(MaliciousSource, MoreLayersThanCanBeStacked) {
  ImageParts parts;
  for (int i = 0; i < 128; ++i)
    parts.layers.push_back(make_tar({{.path = "f", .content = std::to_string(i)}}));
  fixture::write_layout(directory_ / "layout", parts);
  refuse_source(directory_ / "layout", "127 can be stacked");
}

TEST_F(MaliciousSource, ALayoutWhoseBlobsLeadOut) {
  std::string victim = directory_ / "victim";
  refuse_layout(
      [&](const std::string& layout) {
        fs::rename(layout + "/blobs", victim + "/blobs");
        fs::create_directory_symlink(victim + "/blobs", layout + "/blobs");
      },
      "open blobs");
  refuse_layout(
      [&](const std::string& layout) {
        fs::remove(layout + "/index.json");
        fs::create_symlink("/etc/passwd", layout + "/index.json");
      },
      "");
  refuse_layout(
      [&](const std::string& layout) {
        std::string blob = blob_with(layout, "diff_ids");
        fs::remove(blob);
        fs::create_directory(blob);
      },
      "no regular file");
}

TEST_F(MaliciousSource, ALayoutOfWrongDigestsAndSizes) {
  for (const char* member : {"diff_ids", "\"layers\":["}) {
    refuse_layout(
        [&](const std::string& layout) {
          std::string blob = blob_with(layout, member);
          std::string text = read_file(blob);
          text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
          replace_file(blob, text);
        },
        "is damaged");
    refuse_layout(
        [&](const std::string& layout) {
          std::string blob = blob_with(layout, member);
          replace_file(blob, read_file(blob) + " ");
        },
        "expected");
  }
  refuse_layout(
      [&](const std::string& layout) {
        std::string text = read_file(layout + "/index.json");
        size_t at = text.find("sha256:") + 7;
        text.replace(at, 64, "../../../../../../../../../../../../../../../../../etc/hostname....");
        replace_file(layout + "/index.json", text);
      },
      "is no sha256 digest");
}

TEST_F(MaliciousSource, IndexesThatNestForEver) {
  refuse_layout(
      [&](const std::string& layout) {
        std::string text = read_file(layout + "/index.json");
        for (int i = 0; i < 8; ++i) {
          std::string digest = sha256_hex(text);
          replace_file(layout + "/blobs/sha256/" + digest, text);
          text = json::serialize(json::object{
              {"manifests",
               json::array{json::object{{"mediaType", "application/vnd.oci.image.index.v1+json"},
                                        {"digest", "sha256:" + digest},
                                        {"size", text.size()}}}}});
        }
        replace_file(layout + "/index.json", text);
      },
      "nested too deep");
}

TEST_F(MaliciousSource, LimitsAreTheUsers) {
  ImageParts parts;
  parts.layers = {make_tar({{.path = "f", .content = std::string(100'000, 'x')}})};
  fixture::write_layout(directory_ / "layout", parts);
  ::setenv("PCOMPOSE_LAYER_MAX_BYTES", "1000", 1);
  refuse_source(directory_ / "layout", "1000 bytes");
  ::setenv("PCOMPOSE_LAYER_MAX_BYTES", "many", 1);
  refuse_source(directory_ / "layout", "no number");
  ::unsetenv("PCOMPOSE_LAYER_MAX_BYTES");
  EXPECT_EQ(store_.load(directory_ / "layout", "x:1").size(), 1U);
}

}  // namespace
}  // namespace pcompose::engine
