#include "engine/user.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "redis:x:999:998::/data:/bin/sh\n"
    "1000:x:7:8::/odd:/bin/sh\n";
constexpr std::string_view kGroup = "root:x:0:\nwheel:x:10:root,redis\nredis:x:998:\n";

TEST(User, NobodyWrittenIsRoot) {
  std::string home;
  User user = resolve_user("", kPasswd, kGroup, &home);
  EXPECT_EQ(user.uid, 0U);
  EXPECT_EQ(user.additional_gids, (std::vector<uint32_t>{10}));
  EXPECT_EQ(home, "/root");
}

TEST(User, ANameBringsItsGroups) {
  User user = resolve_user("redis", kPasswd, kGroup);
  EXPECT_EQ(user.uid, 999U);
  EXPECT_EQ(user.gid, 998U);
  EXPECT_EQ(user.additional_gids, (std::vector<uint32_t>{10}));
}

TEST(User, AWrittenGroupReplacesThem) {
  User user = resolve_user("redis:wheel", kPasswd, kGroup);
  EXPECT_EQ(user.gid, 10U);
  EXPECT_TRUE(user.additional_gids.empty());
}

TEST(User, NumbersNeedNoEntry) {
  User user = resolve_user("5000:6000", "", "");
  EXPECT_EQ(user.uid, 5000U);
  EXPECT_EQ(user.gid, 6000U);
}

TEST(User, ANameOfDigitsWinsOverTheNumber) {
  EXPECT_EQ(resolve_user("1000", kPasswd, kGroup).uid, 7U);
}

TEST(User, UnknownNamesAreErrorsWithACure) {
  try {
    resolve_user("nobody", kPasswd, kGroup);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "no user \"nobody\" in the image's /etc/passwd (write its number, or add the user "
                 "to the image)");
  }
  EXPECT_THROW(resolve_user("redis:nogroup", kPasswd, kGroup), Error);
}

}  // namespace
}  // namespace pcompose::engine
