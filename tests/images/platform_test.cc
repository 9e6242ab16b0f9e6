#include "engine/images/platform.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/images/descriptor.h"

namespace pcompose::engine {
namespace {

TEST(PlatformText, IsReadAndWritten) {
  EXPECT_EQ(Platform::parse("linux/amd64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/arm/v7").str(), "linux/arm/v7");
  EXPECT_EQ(Platform::parse("arm64").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64").str(), "linux/arm64");
  for (const char* wrong : {"", "linux/", "a/b/c/d", "linux/am d", "/amd64"})
    EXPECT_THROW(Platform::parse(wrong), Error) << wrong;
}

TEST(PlatformChoice, VariantsRunWhereTheyAreNoNewer) {
  auto suits = [](const char* wanted, const char* offered) {
    return Platform::parse(wanted).suits(Platform::parse(offered));
  };
  EXPECT_EQ(suits("linux/amd64", "linux/arm64"), 0);
  EXPECT_EQ(suits("linux/amd64", "windows/amd64"), 0);
  EXPECT_GT(suits("linux/arm64", "linux/arm64/v8"), 0);
  EXPECT_GT(suits("linux/arm64/v8", "linux/arm64"), 0);
  EXPECT_GT(suits("linux/arm/v7", "linux/arm/v7"), suits("linux/arm/v7", "linux/arm/v6"));
  EXPECT_GT(suits("linux/arm/v7", "linux/arm/v6"), suits("linux/arm/v7", "linux/arm/v5"));
  EXPECT_EQ(suits("linux/arm/v6", "linux/arm/v7"), 0);
  EXPECT_EQ(suits("linux/arm/v6", "linux/arm"), 0);
  EXPECT_EQ(suits("linux/amd64", "linux/amd64/v3"), 0);
}

TEST(PlatformChoice, TheBestOfAnIndexComesFirst) {
  auto descriptor = [](const char* platform) {
    Descriptor d;
    d.digest = platform;
    if (*platform != '\0') d.platform = Platform::parse(platform);
    return d;
  };
  std::vector<Descriptor> all = {descriptor(""), descriptor("linux/arm/v5"),
                                 descriptor("linux/arm/v7"), descriptor("linux/amd64"),
                                 descriptor("linux/arm/v6")};
  auto chosen = choose_descriptors(all, Platform::parse("linux/arm/v6"), "it");
  ASSERT_EQ(chosen.size(), 3U);
  EXPECT_EQ(chosen[0].digest, "linux/arm/v6");
  EXPECT_EQ(chosen[1].digest, "linux/arm/v5");
  EXPECT_EQ(chosen[2].digest, "");
  EXPECT_THROW(choose_descriptors({descriptor("linux/s390x")}, Platform::host(), "it"), Error);
}

}  // namespace
}  // namespace pcompose::engine
