// Ranges of ids, and the maps that are made of them.
#include "scheduler/id_leases.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "compose/userns_mode.h"
#include "engine/rootless/id_maps.h"
#include "engine/rootless/subordinate_ids.h"

namespace pcompose::scheduler {
namespace {

class IdLeasesTest : public testing::Test {
 protected:
  IdLeasesTest() {
    db_.get().exec("CREATE TABLE containers(project TEXT, name TEXT)");
    db_.get().exec("INSERT INTO containers VALUES('p', 'kept')");
  }
  uint32_t take(const std::string& owner, uint32_t size) {
    return leases_.take(owner, size, {100, 30}).first;
  }
  Database db_{":memory:"};
  IdLeases leases_{db_};
};

TEST_F(IdLeasesTest, AreApartAndStay) {
  EXPECT_EQ(take("p/kept", 10), 120U);
  EXPECT_EQ(take("p/b", 10), 110U);
  EXPECT_EQ(take("p/kept", 10), 120U);
  EXPECT_EQ(leases_.find("p/b")->first, 110U);
  EXPECT_FALSE(leases_.find("p/c"));
}

TEST_F(IdLeasesTest, ThoseOfContainersThatAreGoneComeLast) {
  EXPECT_EQ(take("p/kept", 10), 120U);
  EXPECT_EQ(take("p/gone", 10), 110U);
  EXPECT_EQ(take("p/b", 10), 100U);
  EXPECT_EQ(take("p/c", 20), 100U) << "b and gone have no container";
  EXPECT_THROW(take("p/d", 21), Error);
  EXPECT_EQ(take("p/kept", 10), 120U);
}

TEST_F(IdLeasesTest, AGapIsUsed) {
  EXPECT_EQ(take("p/a", 5), 125U);
  EXPECT_EQ(take("p/b", 5), 120U);
  EXPECT_EQ(take("p/c", 5), 115U);
  EXPECT_EQ(take("p/b", 15), 100U) << "another size is another range";
  EXPECT_EQ(take("p/e", 5), 120U);
}

TEST(UsernsMode, IsTakenApart) {
  using compose::parse_userns_mode;
  using Kind = compose::UsernsMode::Kind;
  EXPECT_EQ(parse_userns_mode("")->kind, Kind::host);
  EXPECT_EQ(parse_userns_mode("auto:size=4096")->size, 4096U);
  auto kept = parse_userns_mode("keep-id:uid=5,gid=6");
  EXPECT_EQ(kept->kind, Kind::keep_id);
  EXPECT_EQ(kept->uid, 5U);
  EXPECT_EQ(kept->gid, 6U);
  for (const char* bad : {"nomap", "auto:", "auto:size=0", "auto:uid=1", "keep-id:size=5", "host:x",
                          "auto:size=4294967295", "keep-id:uid=-1", "keep-id:uid"})
    EXPECT_FALSE(parse_userns_mode(bad)) << bad;
}

TEST(KeepId, MovesThoseBelowUpByOne) {
  auto text = [](uint32_t own, uint32_t count) {
    return engine::rootless::map_text(engine::keep_id(own, count));
  };
  EXPECT_EQ(text(1000, 65537), "0 1 1000\n1000 0 1\n1001 1001 64536\n");
  EXPECT_EQ(text(0, 10), "0 0 1\n1 1 9\n");
  EXPECT_EQ(text(70000, 10), "0 1 9\n70000 0 1\n") << "beyond the others";
}

TEST(ContainerIds, LeadBothWays) {
  auto map = engine::keep_id(1000, 65537);
  for (uint32_t id : {0U, 999U, 1000U, 1001U, 65000U})
    EXPECT_EQ(engine::id_inside(map, engine::id_outside(map, id).value()), id);
  EXPECT_EQ(engine::id_inside(engine::whole_range({200000, 100}), 5), 65534U) << "nobody's there";
  EXPECT_EQ(engine::id_inside({}, 5), 5U);
}

TEST(FirstRange, IsThatOfTheName) {
  using engine::rootless::first_range;
  EXPECT_EQ(first_range("a:1:2\ncontainers:5:6\ncontainers:7:8\n", "containers")->first, 5U);
  EXPECT_FALSE(first_range("containers:x:6\n", "containers"));
}

}  // namespace
}  // namespace pcompose::scheduler
