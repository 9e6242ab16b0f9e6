#include "base/database.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose {
namespace {

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/pcompose-db-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(DatabaseTest, SchemasAreMadeOnce) {
  for (int i = 0; i < 2; ++i) {
    Database db(directory_ + "/state.db");
    db.ensure_schema("room", 1, "CREATE TABLE t(x)");
    db.get().exec("INSERT INTO t VALUES(1)");
  }
  Database db(directory_ + "/state.db");
  EXPECT_EQ(db.get().execAndGet("SELECT count(*) FROM t").getInt(), 2);
}

TEST_F(DatabaseTest, ANewerSchemaIsRefused) {
  Database db(directory_ + "/state.db");
  db.ensure_schema("room", 2, "CREATE TABLE t(x)");
  EXPECT_THROW(db.ensure_schema("room", 1, "CREATE TABLE t(x)"), Error);
}

TEST_F(DatabaseTest, IsNobodyElsesToRead) {
  Database db(directory_ + "/state.db");
  auto mode = std::filesystem::status(directory_ + "/state.db").permissions();
  EXPECT_EQ(mode & std::filesystem::perms(0077), std::filesystem::perms::none);
}

}  // namespace
}  // namespace pcompose
