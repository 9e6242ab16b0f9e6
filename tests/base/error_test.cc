#include "base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace pcompose {
namespace {

TEST(Error, GrowsOutwardAndKeepsTheInnermostPlace) {
  Error e("mount overlay", ENOSPC);
  e.add("start web").at({"compose.yaml", 4, 5}).at({"other.yaml", 1, 1}).hint("free some space");
  EXPECT_STREQ(
      e.what(),
      "compose.yaml:4:5: start web: mount overlay: No space left on device (free some space)");
  EXPECT_EQ(e.error_number(), ENOSPC);
  EXPECT_EQ(e.exit_code(), 1);
}

TEST(Position, AFileAsAWholeHasNoLine) {
  EXPECT_EQ((Position{"compose.yaml", 0, 0}).str(), "compose.yaml");
  EXPECT_EQ(Position{}.str(), "");
}

TEST(ComposeError, HoldsEverythingAtOnce) {
  ComposeError e({{{"c.yaml", 1, 2}, "services.a", "wrong"},
                  {{"c.yaml", 3, 4}, "", "worse", Severity::warning}});
  EXPECT_STREQ(e.what(), "c.yaml:1:2: services.a: wrong\nc.yaml:3:4: warning: worse");
}

}  // namespace
}  // namespace pcompose
