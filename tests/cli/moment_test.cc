#include "cli/moment.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::cli {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNow = 1'767'366'245 * kSecond;  // 2026-01-02T15:04:05Z

int64_t moment(const std::string& text) { return parse_moment(text, "--since", kNow); }

TEST(Moment, Dates) {
  EXPECT_EQ(moment("2026-01-02T15:04:05Z"), kNow);
  EXPECT_EQ(moment("2026-01-02T15:04:05.5Z"), kNow + kSecond / 2);
  EXPECT_EQ(moment("2026-01-02T16:04:05+01:00"), kNow);
  EXPECT_EQ(moment("2026-01-02T10:34:05-04:30"), kNow);
  EXPECT_NO_THROW(moment("2026-01-02"));
  EXPECT_NO_THROW(moment("2026-01-02 15:04"));
}

TEST(Moment, SecondsAndDurations) {
  EXPECT_EQ(moment("1767366245"), kNow);
  EXPECT_EQ(moment("1767366245.000000001"), kNow + 1);
  EXPECT_EQ(moment("42m"), kNow - 42 * 60 * kSecond);
  EXPECT_EQ(moment("1h30m"), kNow - 90 * 60 * kSecond);
  EXPECT_EQ(moment("0s"), kNow);
  EXPECT_EQ(moment("1.5s"), kNow - 3 * kSecond / 2);
}

TEST(Moment, Nonsense) {
  for (const char* text : {"", "yesterday", "5x", "2026-13-45", "2026-01-02T15:04:05+1", "1e400s",
                           "99999999999999999999", "-5s", "2026-01-02T15:04:05Zz"})
    EXPECT_THROW(moment(text), Error) << text;
}

TEST(Moment, AsRecordsHaveIt) { EXPECT_EQ(utc_text(kNow + 1), "2026-01-02T15:04:05.000000001Z"); }

}  // namespace
}  // namespace pcompose::cli
