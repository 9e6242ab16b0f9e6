// Layers as strangers may write them, unpacked without any privilege.
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/layer_record.h"
#include "engine/images/layer_tar.h"
#include "engine/images/unpack.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;
using fixture::make_tar;
using fixture::TarFile;
using testing::HasSubstr;

class Layer : public testing::Test {
 protected:
  Layer() {
    fs::create_directory(root());
    replace_file(outside(), "untouched");
  }

  [[nodiscard]] std::string root() const { return directory_ / "diff"; }
  [[nodiscard]] std::string outside() const { return directory_ / "outside"; }
  [[nodiscard]] std::string at(const std::string& name) const { return root() + "/" + name; }
  [[nodiscard]] std::string text(const std::string& name) const { return read_file(at(name)); }

  UnpackedLayer unpack_stream(const std::string& blob, const LayerDigests& digests,
                              LayerLimits limits = {}) {
    Fd layer = open_file(directory_.path(), O_RDONLY | O_DIRECTORY);
    Fd fd = open_file(root(), O_RDONLY | O_DIRECTORY);
    fs::remove_all(directory_ / kLostName);
    MemoryStream stream(blob);
    auto out = unpack_layer(stream, digests, {fd.get(), layer.get()}, limits, Ownership::ours);
    // Whatever was taken can be made again; its digest is verified.
    for (LayerTar tar(layer, digests.diff_id); !tar.next().empty();) {
    }
    return out;
  }
  UnpackedLayer unpack(const std::vector<TarFile>& files, LayerLimits limits = {}) {
    std::string tar = make_tar(files);
    return unpack_stream(tar, {sha256_hex(tar), "", -1}, limits);
  }
  void refuse(const std::vector<TarFile>& files, const std::string& why) {
    EXPECT_THAT([&] { unpack(files); }, testing::ThrowsMessage<Error>(HasSubstr(why)));
    EXPECT_EQ(read_file(outside()), "untouched");
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      EXPECT_THAT(entry.path().filename(),
                  testing::AnyOf("diff", "outside", kRecordName, kLostName));
    }
  }
  [[nodiscard]] bool is_whiteout(const std::string& name) const {
    struct stat s{};
    return ::lstat(at(name).c_str(), &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == 0;
  }
  [[nodiscard]] bool is_opaque(const std::string& name) const {
    char value[2] = {};
    for (const char* attribute : {"trusted.overlay.opaque", "user.overlay.opaque"}) {
      if (::getxattr(at(name).c_str(), attribute, value, 1) == 1 && value[0] == 'y') return true;
    }
    return false;
  }

  fixture::TemporaryDirectory directory_;
};

TEST_F(Layer, FilesGetContentModeAndTime) {
  auto result = unpack({{.path = "d/", .type = 'd', .mode = 0750, .mtime = 1'000},
                        {.path = "./d//f", .content = "hello", .mode = 0640, .mtime = 2'000},
                        {.path = "/absolute", .content = "x"},
                        {.path = "link", .type = 'l', .content = "d/f", .mtime = 3'000},
                        {.path = "hard", .type = 'h', .content = "d/f"},
                        {.path = "pipe", .type = 'p'}});
  EXPECT_EQ(text("d/f"), "hello");
  EXPECT_EQ(text("absolute"), "x");
  struct stat s{};
  ASSERT_EQ(::lstat(at("d").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0750U);
  EXPECT_EQ(s.st_mtime, 1'000) << "writing into a directory must not change its time";
  ASSERT_EQ(::lstat(at("d/f").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0640U);
  EXPECT_EQ(s.st_mtime, 2'000);
  EXPECT_EQ(s.st_nlink, 2U);
  EXPECT_EQ(fs::read_symlink(at("link")), "d/f");
  ASSERT_EQ(::lstat(at("link").c_str(), &s), 0);
  EXPECT_EQ(s.st_mtime, 3'000);
  EXPECT_TRUE(fs::is_fifo(at("pipe")));
  EXPECT_EQ(result.bytes, 6U);
  EXPECT_EQ(result.entries, 6U);
}

TEST_F(Layer, MissingParentsAreMade) {
  unpack({{.path = "a/b/c/d", .content = "x"}});
  EXPECT_EQ(text("a/b/c/d"), "x");
  struct stat s{};
  ASSERT_EQ(::stat(at("a/b").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0755U);
}

TEST_F(Layer, ParentReferencesAreRefused) {
  refuse({{.path = "../outside", .content = "bad"}}, "'..'");
  refuse({{.path = "a/../../outside", .content = "bad"}}, "'..'");
  refuse({{.path = "..", .type = 'd'}}, "'..'");
  refuse({{.path = "a/..", .type = 'l', .content = "/"}}, "'..'");
}

TEST_F(Layer, WritingThroughALinkStaysInside) {
  refuse({{.path = "x", .type = 'l', .content = ".."}, {.path = "x/outside", .content = "bad"}},
         "x/outside");
  refuse({{.path = "x", .type = 'l', .content = directory_.path()},
          {.path = "x/outside", .content = "bad"}},
         "x/outside");
  refuse({{.path = "y", .type = 'l', .content = "x"},
          {.path = "x", .type = 'l', .content = "../"},
          {.path = "y/new/outside", .content = "bad"}},
         "y/new/outside");
  refuse({{.path = "x", .type = 'l', .content = ".."}, {.path = "x/.wh.outside"}}, "x/.wh.outside");
  refuse({{.path = "x", .type = 'l', .content = ".."}, {.path = "x/.wh..wh..opq"}}, "opq");
  refuse({{.path = "x", .type = 'l', .content = "x"}, {.path = "x/f", .content = "bad"}}, "x/f");
}

TEST_F(Layer, LinksWithinTheLayerMayBeWrittenThrough) {
  unpack({{.path = "usr/lib/", .type = 'd', .mode = 0755},
          {.path = "lib", .type = 'l', .content = "usr/lib"},
          {.path = "lib/x/y", .content = "through"}});
  EXPECT_EQ(text("usr/lib/x/y"), "through");
}

TEST_F(Layer, AFileReplacesALinkInsteadOfFollowingIt) {
  unpack({{.path = "x", .type = 'l', .content = outside()},
          {.path = "x", .content = "inside"},
          {.path = "d", .type = 'l', .content = directory_.path()},
          {.path = "d", .type = 'd', .mode = 0700}});
  EXPECT_EQ(text("x"), "inside");
  EXPECT_FALSE(fs::is_symlink(at("d")));
  EXPECT_EQ(read_file(outside()), "untouched");
  struct stat s{};
  ASSERT_EQ(::stat(directory_.path().c_str(), &s), 0);
  EXPECT_NE(s.st_mtime, 1'700'000'000);
}

TEST_F(Layer, HardLinksStayInside) {
  refuse({{.path = "x", .type = 'h', .content = "../outside"}}, "'..'");
  refuse({{.path = "d", .type = 'l', .content = ".."},
          {.path = "x", .type = 'h', .content = "d/outside"}},
         "x");
  refuse({{.path = "x", .type = 'h', .content = outside()}}, "x");
  refuse({{.path = "d/", .type = 'd', .mode = 0755}, {.path = "x", .type = 'h', .content = "d"}},
         "hard link to the directory");
  refuse({{.path = "x", .type = 'h', .content = "missing"}}, "missing");
}

TEST_F(Layer, AHardLinkToALinkIsALink) {
  unpack({{.path = "l", .type = 'l', .content = outside()},
          {.path = "h", .type = 'h', .content = "l"},
          {.path = "h", .content = "new"}});
  EXPECT_EQ(text("h"), "new");
  EXPECT_TRUE(fs::is_symlink(at("l")));
  EXPECT_EQ(read_file(outside()), "untouched");
}

TEST_F(Layer, TheLastOfSeveralEntriesWins) {
  unpack({{.path = "f", .content = "first, and longer"},
          {.path = "h", .type = 'h', .content = "f"},
          {.path = "f", .content = "second"},
          {.path = "d/x/y", .content = "gone"},
          {.path = "d", .content = "a file now"},
          {.path = "e", .content = "gone"},
          {.path = "e/", .type = 'd', .mode = 0755},
          {.path = "e/f", .content = "in"},
          {.path = "e/", .type = 'd', .mode = 0711},
          {.path = "same", .content = "s"},
          {.path = "same", .type = 'h', .content = "./same"}});
  EXPECT_EQ(text("f"), "second");
  EXPECT_EQ(text("h"), "first, and longer") << "the other name keeps the first file";
  EXPECT_EQ(text("d"), "a file now");
  EXPECT_EQ(text("e/f"), "in");
  EXPECT_EQ(text("same"), "s");
}

TEST_F(Layer, ReplacingARememberedDirectoryIsNoticed) {
  unpack({{.path = "d/a", .content = "1"},
          {.path = "d", .type = 'l', .content = "e"},
          {.path = "e/", .type = 'd', .mode = 0755},
          {.path = "d/a", .content = "2"}});
  EXPECT_EQ(text("e/a"), "2");
}

TEST_F(Layer, WhiteoutsBecomeDevices) {
  unpack({{.path = "d/.wh.gone"}, {.path = ".wh.top"}, {.path = "o/.wh..wh..opq"}});
  EXPECT_TRUE(is_whiteout("d/gone"));
  EXPECT_TRUE(is_whiteout("top"));
  EXPECT_TRUE(is_opaque("o"));
  EXPECT_TRUE(fs::is_empty(at("o")));
}

TEST_F(Layer, AnEntryOutlivesAWhiteoutOfItsName) {
  unpack({{.path = "a", .content = "kept"},
          {.path = ".wh.a"},
          {.path = ".wh.b"},
          {.path = "b", .content = "kept"},
          {.path = "c/f", .content = "kept"},
          {.path = ".wh.c"},
          {.path = ".wh.d"},
          {.path = "d/", .type = 'd', .mode = 0755},
          {.path = ".wh.e"},
          {.path = "e/f", .content = "kept"},
          {.path = "o/f", .content = "kept"},
          {.path = "o/.wh..wh..opq"}});
  EXPECT_EQ(text("a"), "kept");
  EXPECT_EQ(text("b"), "kept");
  for (const char* name : {"c", "d", "e", "o"}) EXPECT_TRUE(is_opaque(name)) << name;
  for (const char* name : {"c/f", "e/f", "o/f"}) EXPECT_EQ(text(name), "kept") << name;
}

TEST_F(Layer, WhiteoutsOfNothingAreRefused) {
  refuse({{.path = ".wh."}}, "whiteout of nothing");
  refuse({{.path = "d/.wh.."}}, "whiteout of nothing");
  refuse({{.path = ".wh..."}}, "whiteout of nothing");
}

TEST_F(Layer, BookkeepingOfAufsIsLeftOut) {
  unpack({{.path = ".wh..wh.plnk/", .type = 'd'},
          {.path = ".wh..wh.plnk/1.2", .content = "x"},
          {.path = ".wh..wh.orph/", .type = 'd'},
          {.path = ".wh..wh.aufs"}});
  EXPECT_TRUE(fs::is_empty(root()));
}

TEST_F(Layer, AttributesThatMeanSomethingToTheKernelAreLeftOut) {
  unpack({{.path = "f",
           .attributes = {{"user.kept", "v"},
                          {"trusted.overlay.redirect", "/etc"},
                          {"user.overlay.opaque", "y"},
                          {"trusted.overlay.metacopy", ""}}}});
  char value[8] = {};
  EXPECT_EQ(::getxattr(at("f").c_str(), "user.kept", value, sizeof value), 1);
  char names[256];
  std::string found(names, static_cast<size_t>(::listxattr(at("f").c_str(), names, sizeof names)));
  EXPECT_THAT(found, testing::Not(HasSubstr("overlay")));
}

TEST_F(Layer, NamesAreBytes) {
  unpack({{.path = "gr\xc3\xbc\xc3\x9f", .content = "1"},
          {.path = std::string(200, 'n') + "/" + std::string(200, 'm'), .content = "2"},
          {.path = "new\nline", .content = "3"}});
  EXPECT_EQ(text("gr\xc3\xbc\xc3\x9f"), "1");
  EXPECT_EQ(text(std::string(200, 'n') + "/" + std::string(200, 'm')), "2");
  EXPECT_EQ(text("new\nline"), "3");
}

TEST_F(Layer, NamesHaveBounds) {
  refuse({{.path = std::string(256, 'x'), .content = ""}}, "longer than 255");
  std::string deep;
  for (int i = 0; i < 2100; ++i) deep += "d/";
  refuse({{.path = deep + "f", .content = ""}}, "longer than 4095");
  std::string fits = deep.substr(0, 2000);
  unpack({{.path = fits + "f", .content = "deep"}});
  EXPECT_EQ(text(fits + "f"), "deep");
}

TEST_F(Layer, BombsAreRefused) {
  std::vector<TarFile> many(20, {.path = "same"});
  EXPECT_THAT([&] { unpack(many, {10, 1000}); },
              testing::ThrowsMessage<Error>(HasSubstr("entries")));
  EXPECT_THAT([&] { unpack({{.path = "f", .content = std::string(2000, 'x')}}, {10, 1000}); },
              testing::ThrowsMessage<Error>(HasSubstr("1000 bytes")));
  std::string zeros = fixture::gzip(std::string(10U << 20U, '\0'));
  EXPECT_THAT([&] { unpack_stream(zeros, {std::string(64, '0'), "", -1}, {10, 1000}); },
              testing::ThrowsMessage<Error>(HasSubstr("longer than")));
}

TEST_F(Layer, IsVerifiedOnTheWay) {
  std::string tar = make_tar({{.path = "f", .content = "x"}});
  for (const std::string& blob : {tar, fixture::gzip(tar), fixture::zstd(tar)}) {
    auto size = static_cast<int64_t>(blob.size());
    unpack_stream(blob, {sha256_hex(tar), sha256_hex(blob), size});
    std::string wrong(64, 'e');
    EXPECT_THAT(
        [&] { unpack_stream(blob, {sha256_hex(tar), wrong, size}); },
        testing::ThrowsMessage<Error>(testing::AllOf(
            HasSubstr("expected sha256:" + wrong), HasSubstr("found sha256:" + sha256_hex(blob)))));
    EXPECT_THAT([&] { unpack_stream(blob, {wrong, sha256_hex(blob), size}); },
                testing::ThrowsMessage<Error>(HasSubstr("not what the image says")));
    EXPECT_THAT([&] { unpack_stream(blob, {sha256_hex(tar), sha256_hex(blob), size - 1}); },
                testing::ThrowsMessage<Error>(HasSubstr("longer than")));
    EXPECT_THAT([&] { unpack_stream(blob, {sha256_hex(tar), sha256_hex(blob), size + 1}); },
                testing::ThrowsMessage<Error>(HasSubstr("expected " + std::to_string(size + 1))));
    std::string damaged = blob;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
    EXPECT_THAT([&] { unpack_stream(damaged, {sha256_hex(tar), sha256_hex(blob), size}); },
                testing::ThrowsMessage<Error>(HasSubstr("is damaged: expected")));
  }
}

TEST_F(Layer, CompressedStreamsMayHaveSeveralMembersAndMustEnd) {
  std::string tar = make_tar({{.path = "f", .content = std::string(3U << 20U, 'x')}});
  std::string head = tar.substr(0, 1000), tail = tar.substr(1000);
  unpack_stream(fixture::gzip(head) + fixture::gzip(tail), {sha256_hex(tar), "", -1});
  unpack_stream(fixture::zstd(head) + fixture::zstd(tail), {sha256_hex(tar), "", -1});
  EXPECT_EQ(fs::file_size(at("f")), 3U << 20U);
  for (std::string blob : {fixture::gzip(tar), fixture::zstd(tar)}) {
    blob.resize(blob.size() - 3);
    EXPECT_THAT([&] { unpack_stream(blob, {sha256_hex(tar), "", -1}); },
                testing::ThrowsMessage<Error>(HasSubstr("cut off")));
  }
  EXPECT_THAT([&] { unpack_stream("BZh91AY&SY", {sha256_hex(tar), "", -1}); },
              testing::ThrowsMessage<Error>(HasSubstr("bzip2")));
}

TEST_F(Layer, AnEmptyLayerIsALayer) {
  for (const std::string& tar : {std::string(1024, '\0'), std::string(), make_tar({})})
    unpack_stream(tar, {sha256_hex(tar), "", -1});
  EXPECT_TRUE(fs::is_empty(root()));
}

}  // namespace
}  // namespace pcompose::engine
