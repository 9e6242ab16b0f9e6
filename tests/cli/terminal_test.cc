#include "cli/terminal.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::cli {
namespace {

TEST(DetachKeysTest, AreRead) {
  EXPECT_EQ(detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(detach_keys("a,ctrl-["), "a\x1b");
  EXPECT_EQ(detach_keys(""), "");
  EXPECT_THROW(detach_keys("ctrl-"), Error);
  EXPECT_THROW(detach_keys("alt-x"), Error);
}

TEST(DetachKeysTest, AreFoundHoweverTheyAreCut) {
  DetachKeys keys("\x10\x11");
  EXPECT_EQ(keys.filter("ls\x10"), "ls");
  EXPECT_FALSE(keys.found());
  EXPECT_EQ(keys.filter("\x11more"), "");
  EXPECT_TRUE(keys.found());
}

TEST(DetachKeysTest, WhatIsNoneIsPassedOn) {
  DetachKeys keys("\x10\x11");
  EXPECT_EQ(keys.filter("\x10"), "");
  EXPECT_EQ(keys.filter("x"), "\x10x");
  EXPECT_EQ(keys.filter("\x10\x10"), "\x10");
  EXPECT_EQ(keys.filter("\x11"), "");
  EXPECT_TRUE(keys.found());
}

TEST(DetachKeysTest, NoneAtAll) {
  DetachKeys keys("");
  EXPECT_EQ(keys.filter("\x10\x11"), "\x10\x11");
  EXPECT_FALSE(keys.found());
}

}  // namespace
}  // namespace pcompose::cli
