#include "engine/rootless/subordinate_ids.h"

#include <gtest/gtest.h>

#include "engine/rootless/id_maps.h"

namespace pcompose::engine::rootless {
namespace {

std::string map_of(const std::string& file) { return map_text(id_map(file, "ann", 1000, 1000)); }

TEST(SubordinateIds, ComeAfterTheUserItself) {
  EXPECT_EQ(map_of("ann:100000:65536\n"), "0 1000 1\n1 100000 65536\n");
  EXPECT_EQ(map_of("1000:100000:65536"), "0 1000 1\n1 100000 65536\n") << "by number";
  EXPECT_EQ(map_of("bob:1:2\nann:100000:10\nann:300000:5\n"),
            "0 1000 1\n1 100000 10\n11 300000 5\n");
}

TEST(SubordinateIds, AUserWithoutARangeHasItself) {
  EXPECT_EQ(map_of(""), "0 1000 1\n");
  EXPECT_EQ(map_of("annabel:100000:65536\n10001:5:5\n"), "0 1000 1\n");
}

TEST(SubordinateIds, SkipsWhatMakesNoSense) {
  EXPECT_EQ(map_of("ann\nann:\nann:x:5\nann:5:\nann:5:0\nann:-5:10\nann:1:99999999999\n\n:::\n"),
            "0 1000 1\n");
  EXPECT_EQ(map_of("ann:5:4294967295\n"), "0 1000 1\n") << "more ids than there are";
}

}  // namespace
}  // namespace pcompose::engine::rootless
