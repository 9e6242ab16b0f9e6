// Layers are made into tars again: the same bytes, whoever packed them and however.
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/layer_record.h"
#include "engine/images/layer_tar.h"
#include "engine/images/unpack.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/registry.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;
using fixture::make_tar;
using fixture::TarFile;

class Record : public testing::Test {
 protected:
  // Unpacks `tar` and returns what is made of the layer again.
  std::string again(const std::string& tar) {
    for (const char* name : {"diff", kLostName}) fs::remove_all(layer_ / name);
    fs::create_directory(layer_ / "diff");
    Fd layer = open_file(layer_.path(), O_RDONLY | O_DIRECTORY);
    Fd root = open_file(layer_ / "diff", O_RDONLY | O_DIRECTORY);
    MemoryStream stream(tar);
    unpack_layer(stream, {sha256_hex(tar), "", -1}, {root.get(), layer.get()}, {}, Ownership::ours);
    EXPECT_EQ(layer_tar_size(layer), tar.size());
    return made(sha256_hex(tar));
  }
  std::string made(const std::string& diff_id) {
    Fd layer = open_file(layer_.path(), O_RDONLY | O_DIRECTORY);
    std::string out;
    LayerTar made(layer, diff_id);
    for (std::string_view piece = made.next(); !piece.empty(); piece = made.next()) out += piece;
    return out;
  }
  void same(const std::vector<TarFile>& files) {
    std::string tar = make_tar(files);
    EXPECT_EQ(sha256_hex(again(tar)), sha256_hex(tar));
  }
  [[nodiscard]] bool keeps_bodies() const { return fs::exists(layer_ / kLostName); }

  fixture::TemporaryDirectory layer_, other_;
};

TEST_F(Record, TarsOfAllFormatsAreMadeAgain) {
  std::string tree = other_ / "tree";
  fs::create_directories(tree + "/d/" + std::string(150, 'n'));
  replace_file(tree + "/d/" + std::string(150, 'n') + "/f", std::string(70'000, 'x'));
  replace_file(tree + "/empty", "");
  replace_file(tree + "/g", "some");
  fs::create_hard_link(tree + "/g", tree + "/hard");
  fs::create_symlink(std::string(120, 'l'), tree + "/link");
  for (const char* format : {"gnu", "oldgnu", "pax", "v7", "ustar"}) {
    std::vector<std::string> argv = {"tar", "-C", tree, "--format", format, "-cf", other_ / "t"};
    bool short_names = std::string_view(format) == "v7" || std::string_view(format) == "ustar";
    if (short_names) argv.insert(argv.end(), {"empty", "g", "hard"});
    if (!short_names) argv.emplace_back(".");
    fixture::run_program(argv);
    std::string tar = read_file(other_ / "t");
    EXPECT_EQ(sha256_hex(again(tar)), sha256_hex(tar)) << format;
    EXPECT_FALSE(keeps_bodies()) << format;
  }
}

TEST_F(Record, FilesWithHolesAreMadeAgain) {
  std::string path = other_ / "sparse";
  for (int holes : {1, 40}) {  // more than a header has room for
    Fd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (int i = 1; i <= holes; ++i) ASSERT_EQ(::pwrite(file.get(), "x", 1, i * 300'000), 1);
    for (const char* format :
         {"--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"}) {
      std::vector<std::string> argv = {"tar", "-C", other_.path(), "-S", format};
      if (std::string_view(format).starts_with("--sparse")) argv.emplace_back("--format=pax");
      argv.insert(argv.end(), {"-cf", other_ / "t", "sparse"});
      fixture::run_program(argv);
      std::string tar = read_file(other_ / "t");
      EXPECT_EQ(sha256_hex(again(tar)), sha256_hex(tar)) << format;
      EXPECT_EQ(fs::file_size(layer_ / "diff/sparse"), holes * 300'000 + 1);
    }
  }
}

TEST_F(Record, BodiesThatNoFileHasAreKept) {
  same({{.path = "f", .content = "first"},
        {.path = "h", .type = 'h', .content = "f"},
        {.path = "f", .content = "second"},
        {.path = "h", .content = "third"},
        {.path = "d/e/f", .content = "deep"},
        {.path = "d/e/g", .content = "deeper"},
        {.path = "d", .content = "a file now"}});
  EXPECT_TRUE(keeps_bodies());
  same({{.path = ".wh..wh.plnk/1", .content = "bookkeeping"}, {.path = ".wh.x", .content = "?"}});
  std::string deep;
  for (int i = 0; i < 1500; ++i) deep += "d/";
  same({{.path = deep + "f", .content = "deep"}, {.path = "d", .content = "a file"}});
}

TEST_F(Record, ALinkThatIsTurnedElsewhereLosesNothing) {
  same({{.path = "a/", .type = 'd', .mode = 0755},
        {.path = "b/", .type = 'd', .mode = 0755},
        {.path = "l", .type = 'l', .content = "a"},
        {.path = "l/f", .content = "in a"},
        {.path = "l", .type = 'l', .content = "b"},
        {.path = "l/f", .content = "in b"},
        {.path = "l", .content = "no link any more"}});
}

TEST_F(Record, WhatFollowsTheEndBelongsToIt) {
  std::string tar = make_tar({{.path = "f", .content = "x"}});
  for (const std::string& end : {std::string(), std::string(10'240, '\0'), std::string("rubbish"),
                                 make_tar({{.path = "g", .content = "y"}})})
    EXPECT_EQ(sha256_hex(again(tar + end)), sha256_hex(tar + end));
}

TEST_F(Record, AChangedFileIsNoticed) {
  std::string tar = make_tar({{.path = "f", .content = "content"}});
  again(tar);
  replace_file(layer_ / "diff/f", "Content");
  EXPECT_THAT([&] { made(sha256_hex(tar)); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("is not what it was")));
  replace_file(layer_ / "diff/f", "con");
  EXPECT_THAT([&] { made(sha256_hex(tar)); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("shorter")));
  fs::remove(layer_ / kRecordName);
  EXPECT_THAT([&] { made(sha256_hex(tar)); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("nothing says how")));
}

}  // namespace
}  // namespace pcompose::engine
