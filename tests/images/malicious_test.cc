// A corpus of hostile layers, made here. Each is refused by its entry's name, or taken without
// harm; nothing beside the layer's root is ever touched.
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/layer_record.h"
#include "engine/images/layer_tar.h"
#include "engine/images/unpack.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/temporary_directory.h"
#include "tests/images/raw_tar.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;
using fixture::make_tar;
using testing::HasSubstr;

// A place that a layer must not leave: its root, and around it what it may aim at.
class Arena {
 public:
  Arena() {
    for (const char* name : {"layer", "layer/diff", "victim", "victim/d"})
      fs::create_directory(directory_ / name);
    replace_file(directory_ / "victim/file", "untouched");
    replace_file(directory_ / "layer/file", "untouched");
    before_ = snapshot();
  }
  [[nodiscard]] std::string at(const std::string& name) const { return directory_ / name; }

  // "" where it was taken, else the error.
  std::string unpack(const std::string& blob, LayerLimits limits) {
    Fd layer = open_file(directory_ / "layer", O_RDONLY | O_DIRECTORY);
    Fd root = open_file(directory_ / "layer/diff", O_RDONLY | O_DIRECTORY);
    std::string diff_id = plain_digest(blob);
    try {
      MemoryStream stream(blob);
      unpack_layer(stream, {diff_id, "", -1}, {root.get(), layer.get()}, limits, Ownership::keep);
      if (!fs::exists(directory_ / "layer/tar.record")) return "";
      for (LayerTar again(layer, diff_id); !again.next().empty();) {
      }
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  [[nodiscard]] bool is_untouched() const { return snapshot() == before_; }

 private:
  static std::string plain_digest(const std::string& blob) {
    try {
      MemoryStream stream(blob);
      auto plain = inflate(stream);
      DigestStream digest(*plain, "it", 1ULL << 31U);
      digest.drain();
      return digest.hex();
    } catch (const Error&) {
      return "damaged";
    }
  }
  // Names, modes, links, times and contents of everything but the layer's own.
  [[nodiscard]] std::string snapshot() const {
    std::string out;
    for (const char* name : {"victim", "victim/d", "victim/file", "layer/file"}) {
      struct stat s{};
      if (::lstat(at(name).c_str(), &s) != 0) return "gone";
      out += std::string(name) + " " + std::to_string(s.st_mode) + " " +
             std::to_string(s.st_nlink) + " " + std::to_string(s.st_uid) + " " +
             std::to_string(s.st_mtime) + "\n";
    }
    out += read_file(at("victim/file")) + read_file(at("layer/file"));
    for (const char* name : {"victim", "victim/d"}) {
      for (const auto& entry : fs::directory_iterator(at(name))) out += entry.path().string();
    }
    return out;
  }

  fixture::TemporaryDirectory directory_;
  std::string before_;
};

struct Hostile {
  const char* name;
  // Of the layer; `victim` is the absolute path of the directory beside it.
  std::function<std::string(const std::string& victim)> make;
  const char* refusal = "";  // in the error; "" where it is taken
  // After it was taken.
  std::function<bool(const std::string& root)> holds = {};
  LayerLimits limits = {100'000, 64U << 20U};
};

using V = const std::string&;

bool exists(const std::string& path) {
  struct stat s{};
  return ::lstat(path.c_str(), &s) == 0;
}
bool is_file(const std::string& path, const std::string& content) {
  struct stat s{};
  return ::lstat(path.c_str(), &s) == 0 && S_ISREG(s.st_mode) && read_file(path) == content;
}
std::string deep(int levels) {
  std::string out;
  for (int i = 0; i < levels; ++i) out += "d/";
  return out;
}
std::string raw(const std::vector<RawEntry>& entries) {
  std::string out;
  for (const RawEntry& e : entries) out += raw_member(e);
  return out + end_of_tar();
}
bool has_overlay_attribute(const std::string& path) {
  char names[1024];
  ssize_t n = ::llistxattr(path.c_str(), names, sizeof names);
  return n > 0 && std::string(names, static_cast<size_t>(n)).contains("overlay");
}

const std::vector<Hostile> kNames = {
    {"DotDot", [](V) { return make_tar({{.path = "../file", .content = "bad"}}); }, "'..'"},
    {"DotDotInside", [](V) { return make_tar({{.path = "a/../../file", .content = "bad"}}); },
     "'..'"},
    {"DotDotAtTheEnd", [](V) { return make_tar({{.path = "a/..", .type = 'd'}}); }, "'..'"},
    {"DotDotBehindDots", [](V) { return make_tar({{.path = "./.././file", .content = "b"}}); },
     "'..'"},
    {"DotDotByPax",
     [](V) {
       return pax({{"path", "../../victim/file"}}) + raw({{.name = "innocent", .body = "bad"}});
     },
     "'..'"},
    {"DotDotByGnuLongName",
     [](V) {
       return raw({{.name = "././@LongLink", .type = 'L', .body = std::string("../file\0", 8)},
                   {.name = "innocent", .body = "bad"}});
     },
     "'..'"},
    {"AbsoluteIsBeneathTheRoot",
     [](V victim) { return make_tar({{.path = victim + "/file", .content = "mine"}}); }, "",
     [](V root) { return fs::exists(root) && !fs::is_empty(root); }},
    {"ManySlashes", [](V) { return make_tar({{.path = "////a////b", .content = "x"}}); }, "",
     [](V root) { return is_file(root + "/a/b", "x"); }},
    {"NameOverNameMax", [](V) { return make_tar({{.path = std::string(256, 'x')}}); },
     "longer than 255"},
    {"NameOverPathMax", [](V) { return make_tar({{.path = deep(2100) + "f"}}); },
     "longer than 4095"},
    {"EmptyName", [](V) { return raw({{.name = "", .body = "x"}}); }, "", {}},
    {"NameWithANul",
     [](V) { return pax({{"path", std::string("a\0/../b", 7)}}) + raw({{.name = "n"}}); },
     "",
     {}},
    {"NameOfControlCharacters",
     [](V) { return make_tar({{.path = "\033[2J\r\nx", .content = "x"}}); }, "",
     [](V root) { return exists(root + "/\033[2J\r\nx"); }},
    {"NameThatIsNoUtf8", [](V) { return raw({{.name = "\xff\xfe", .body = "x"}}); }, "",
     [](V root) { return exists(root + "/\xff\xfe"); }},
};

const std::vector<Hostile> kLinks = {
    {"WriteThroughAnAbsoluteLink",
     [](V victim) {
       return make_tar(
           {{.path = "x", .type = 'l', .content = victim}, {.path = "x/file", .content = "bad"}});
     },
     "x/file"},
    {"WriteThroughARelativeLink",
     [](V) {
       return make_tar({{.path = "x", .type = 'l', .content = "../../victim"},
                        {.path = "x/file", .content = "bad"}});
     },
     "x/file"},
    {"WriteThroughAChainOfLinks",
     [](V) {
       return make_tar({{.path = "a", .type = 'l', .content = "b"},
                        {.path = "b", .type = 'l', .content = "c/.."},
                        {.path = "c", .type = 'l', .content = "../.."},
                        {.path = "a/victim/file", .content = "bad"}});
     },
     "a/victim/file"},
    {"FileOverALinkReplacesIt",
     [](V victim) {
       return make_tar({{.path = "x", .type = 'l', .content = victim + "/file"},
                        {.path = "x", .content = "inside"}});
     },
     "", [](V root) { return is_file(root + "/x", "inside"); }},
    {"DirectoryOverALinkReplacesIt",
     [](V victim) {
       return make_tar({{.path = "x", .type = 'l', .content = victim},
                        {.path = "x/", .type = 'd', .mode = 0700}});
     },
     "", [](V root) { return !fs::is_symlink(root + "/x"); }},
    {"LinkToItself",
     [](V) { return make_tar({{.path = "x", .type = 'l', .content = "x"}, {.path = "x/f"}}); },
     "x/f"},
    {"LinkAsTheRoot",
     [](V victim) {
       return make_tar({{.path = ".", .type = 'l', .content = victim}, {.path = "new"}});
     },
     "", [](V root) { return fs::is_directory(root) && exists(root + "/new"); }},
    {"HardLinkOut", [](V) { return make_tar({{.path = "x", .type = 'h', .content = "../file"}}); },
     "'..'"},
    {"HardLinkToAnAbsoluteName",
     [](V victim) { return make_tar({{.path = "x", .type = 'h', .content = victim + "/file"}}); },
     "\"x\""},
    {"HardLinkThroughALink",
     [](V victim) {
       return make_tar({{.path = "d", .type = 'l', .content = victim},
                        {.path = "x", .type = 'h', .content = "d/file"}});
     },
     "\"x\""},
    {"HardLinkToALinkAndAWriteThroughIt",
     [](V victim) {
       return make_tar({{.path = "l", .type = 'l', .content = victim + "/file"},
                        {.path = "h", .type = 'h', .content = "l"},
                        {.path = "h", .content = "inside"}});
     },
     "", [](V root) { return is_file(root + "/h", "inside") && fs::is_symlink(root + "/l"); }},
    {"HardLinkToADirectory",
     [](V) {
       return make_tar({{.path = "d/", .type = 'd'}, {.path = "x", .type = 'h', .content = "d"}});
     },
     "hard link to the directory"},
    {"HardLinkToTheRoot", [](V) { return make_tar({{.path = "x", .type = 'h', .content = "."}}); },
     "\"x\""},
    {"HardLinkWithABody",
     [](V) {
       return raw({{.name = "f", .body = "first"},
                   {.name = "h", .type = '1', .body = "second", .link = "f"},
                   {.name = "after", .body = "x"}});
     },
     "",
     {}},
};

const std::vector<Hostile> kChanges = {
    {"WhiteoutOfNothing", [](V) { return make_tar({{.path = ".wh."}}); }, "whiteout of nothing"},
    {"WhiteoutOfTheRoot", [](V) { return make_tar({{.path = ".wh.."}}); }, "whiteout of nothing"},
    {"WhiteoutOfTheParent", [](V) { return make_tar({{.path = "d/.wh..."}}); },
     "whiteout of nothing"},
    {"WhiteoutThroughALink",
     [](V victim) {
       return make_tar({{.path = "x", .type = 'l', .content = victim}, {.path = "x/.wh.file"}});
     },
     "x/.wh.file"},
    {"OpaqueThroughALink",
     [](V victim) {
       return make_tar({{.path = "x", .type = 'l', .content = victim}, {.path = "x/.wh..wh..opq"}});
     },
     ".wh..wh..opq"},
    {"OpaqueRoot", [](V) { return make_tar({{.path = ".wh..wh..opq"}, {.path = "f"}}); }, "",
     [](V root) { return exists(root + "/f"); }},
    {"WhiteoutIsAHardLinkOut",
     [](V) { return make_tar({{.path = ".wh.x", .type = 'h', .content = "../file"}}); }, "",
     [](V root) { return exists(root + "/x"); }},
    {"FileThenDirectoryThenLinkThenFile",
     [](V victim) {
       return make_tar({{.path = "x", .content = "1"},
                        {.path = "x/", .type = 'd', .mode = 0755},
                        {.path = "x/y", .content = "2"},
                        {.path = "x", .type = 'l', .content = victim},
                        {.path = "x", .type = 'p'},
                        {.path = "x", .content = "last"}});
     },
     "", [](V root) { return is_file(root + "/x", "last"); }},
    {"RememberedDirectoryBecomesALink",
     [](V victim) {
       return make_tar({{.path = "d/a", .content = "1"},
                        {.path = "d", .type = 'l', .content = victim},
                        {.path = "d/file", .content = "bad"}});
     },
     "d/file"},
    {"DirectoryTimesThroughALaterLink",
     [](V victim) {
       return make_tar({{.path = "d/", .type = 'd', .mode = 0755, .mtime = 1},
                        {.path = "d", .type = 'l', .content = victim}});
     },
     "",
     {}},
    {"FileWhereAParentMustBe",
     [](V) { return make_tar({{.path = "f", .content = "x"}, {.path = "f/g"}}); }, "f/g"},
    {"TheRootAsAFile", [](V) { return make_tar({{.path = "/", .content = "x"}}); }, "",
     [](V root) { return fs::is_directory(root); }},
};

const std::vector<Hostile> kNumbers = {
    {"TooManyEntries",
     [](V) { return make_tar(std::vector<fixture::TarFile>(50, {.path = "same"})); },
     "more than 10 entries",
     {},
     {10, 1U << 20U}},
    {"TooManyBytes",
     [](V) { return make_tar({{.path = "f", .content = std::string(3'000'000, 'x')}}); },
     "longer than",
     {},
     {10, 1U << 20U}},
    {"ZerosByTheGigabyte",
     [](V) { return fixture::gzip(std::string(64U << 20U, '\0'), 9); },
     "longer than",
     {},
     {10, 1U << 20U}},
    {"ZerosByZstd",
     [](V) { return fixture::zstd(std::string(64U << 20U, '\0')); },
     "longer than",
     {},
     {10, 1U << 20U}},
    {"AHoleOfAnExabyte",
     [](V) {
       std::string map = "1\n0\n512\n";
       return pax({{"GNU.sparse.major", "1"},
                   {"GNU.sparse.minor", "0"},
                   {"GNU.sparse.name", "hole"},
                   {"GNU.sparse.realsize", "1152921504606846976"}}) +
              raw({{.name = "x",
                    .body = map + std::string(512 - map.size(), '\0') + std::string(512, 'x')}});
     },
     "bytes"},
    {"PiecesOfAFileOverlap",
     [](V) {
       std::string map = "2\n0\n512\n0\n512\n";
       return pax({{"GNU.sparse.major", "1"},
                   {"GNU.sparse.minor", "0"},
                   {"GNU.sparse.name", "f"},
                   {"GNU.sparse.realsize", "1024"}}) +
              raw({{.name = "x",
                    .body = map + std::string(512 - map.size(), '\0') + std::string(1024, 'x')}});
     },
     "f"},
    {"NegativeSizeInBase256",
     [](V) {
       return raw({{.name = "f", .body = "x", .size = std::string(12, '\xff')}, {.name = "g"}});
     },
     "damaged"},
    {"NegativeSizeByPax",
     [](V) { return pax({{"size", "-1"}}) + raw({{.name = "f", .body = "x"}}); }, "damaged"},
    {"SizeBeyondTheEnd",
     [](V) { return raw({{.name = "f", .body = "x", .size = octal(1U << 20U)}}); }, "damaged"},
    {"SizeOfNonsenseByPax",
     [](V) { return pax({{"size", "9999999999999999999999"}}) + raw({{.name = "f"}}); }, "damaged"},
    {"OwnersBeyondThirtyTwoBits",
     [](V) { return pax({{"uid", "4294967296"}}) + raw({{.name = "f", .body = "x"}}); }, "\"f\""},
    {"TimesBeyondTheirRange",
     [](V) {
       return pax({{"mtime", "99999999999999999999.9999999999999"}}) + raw({{.name = "f"}});
     },
     "",
     {}},
    {"PaxRecordsThatLie",
     [](V) { return raw({{.name = "p", .type = 'x', .body = "999999 path=x\n"}, {.name = "f"}}); },
     "",
     {}},
    {"PaxHeaderOfMegabytes",
     [](V) { return pax({{"comment", std::string(5U << 20U, 'c')}}) + raw({{.name = "f"}}); },
     "damaged"},
    {"TruncatedInAHeader",
     [](V) { return make_tar({{.path = "f", .content = "x"}}).substr(0, 300); }, "damaged"},
    {"TruncatedInABody",
     [](V) { return make_tar({{.path = "f", .content = std::string(5000, 'x')}}).substr(0, 2000); },
     "damaged"},
    {"TruncatedGzip",
     [](V) {
       std::string blob = fixture::gzip(make_tar({{.path = "f", .content = std::string(99, 'x')}}));
       return blob.substr(0, blob.size() - 9);
     },
     "cut off"},
    {"WrongChecksum",
     [](V) {
       std::string tar = raw({{.name = "f", .body = "x"}});
       tar[0] = 'g';
       return tar;
     },
     "damaged"},
    {"Xz",
     [](V) {
       return std::string(
           "\xfd"
           "7zXZ\0\0\0",
           8);
     },
     "xz"},
};

const std::vector<Hostile> kSpecial = {
    {"DeviceOfADisk",
     [](V) { return make_tar({{.path = "sda", .type = 'b', .major = 8, .minor = 0}}); }, "",
     // A container's cgroup decides about it, and the store is reached by root alone.
     [](V root) { return exists(root + "/sda"); }},
    {"DeviceNumbersBeyondTheirRange",
     [](V) { return raw({{.name = "c", .type = '3', .major = "7777777", .minor = "7777777"}}); },
     "",
     {}},
    {"AWhiteoutInDisguise",
     [](V) { return make_tar({{.path = "c", .type = 'c', .major = 0, .minor = 0}}); }, "",
     [](V root) { return exists(root + "/c"); }},
    {"WritingIntoAFifo",
     [](V) { return make_tar({{.path = "p", .type = 'p'}, {.path = "p", .content = "x"}}); }, "",
     [](V root) { return is_file(root + "/p", "x"); }},
    {"OverlayAttributes",
     [](V victim) {
       return make_tar({{.path = "f",
                         .attributes = {{"trusted.overlay.redirect", victim},
                                        {"trusted.overlay.metacopy", ""},
                                        {"trusted.overlay.opaque", "y"},
                                        {"user.overlay.redirect", victim},
                                        {"user.overlay.origin", "x"}}},
                        {.path = "d/",
                         .type = 'd',
                         .mode = 0755,
                         .attributes = {{"trusted.overlay.redirect", "/etc"},
                                        {"trusted.overlay.opaque", "y"}}}});
     },
     "",
     [](V root) {
       return !has_overlay_attribute(root + "/f") && !has_overlay_attribute(root + "/d");
     }},
    {"CapabilitiesAreKept",
     [](V) {
       std::string value("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
       return make_tar({{.path = "ping", .attributes = {{"security.capability", value}}}});
     },
     "",
     [](V root) {
       char value[64];
       return ::getxattr((root + "/ping").c_str(), "security.capability", value, 64) == 20;
     }},
    {"AttributeOfNonsense",
     [](V) {
       return make_tar(
           {{.path = "f",
             .attributes = {{"security.evil", "x"}, {"system.evil", "x"}, {"evil", ""}}}});
     },
     "", [](V root) { return exists(root + "/f"); }},
    {"CapabilitiesOfNonsense",
     [](V) {
       return make_tar({{.path = "f", .attributes = {{"security.capability", "nonsense"}}}});
     },
     "security.capability"},
    {"SetUserIdOnADirectory",
     [](V) { return make_tar({{.path = "d/", .type = 'd', .mode = 07777}}); }, "",
     [](V root) { return exists(root + "/d"); }},
};

class Malicious : public testing::TestWithParam<Hostile> {};

TEST_P(Malicious, NothingOutsideIsTouched) {
  const Hostile& hostile = GetParam();
  Arena arena;
  ::umask(0);
  std::string error = arena.unpack(hostile.make(arena.at("victim")), hostile.limits);
  EXPECT_TRUE(arena.is_untouched()) << error;
  if (*hostile.refusal != '\0') {
    EXPECT_THAT(error, HasSubstr(hostile.refusal));
  } else if (hostile.holds) {
    EXPECT_EQ(error, "");
    EXPECT_TRUE(hostile.holds(arena.at("layer/diff")));
  }
}

std::string name_of(const testing::TestParamInfo<Hostile>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Names, Malicious, testing::ValuesIn(kNames), name_of);
INSTANTIATE_TEST_SUITE_P(Links, Malicious, testing::ValuesIn(kLinks), name_of);
INSTANTIATE_TEST_SUITE_P(Changes, Malicious, testing::ValuesIn(kChanges), name_of);
INSTANTIATE_TEST_SUITE_P(Numbers, Malicious, testing::ValuesIn(kNumbers), name_of);
INSTANTIATE_TEST_SUITE_P(Special, Malicious, testing::ValuesIn(kSpecial), name_of);

}  // namespace
}  // namespace pcompose::engine
