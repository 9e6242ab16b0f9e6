#include "engine/output/cri.h"

#include <gtest/gtest.h>

namespace pcompose::engine {
namespace {

constexpr uint64_t kTime = 1700000000'000000005ULL;

std::string records(std::string_view text, Tail tail = Tail::open) {
  std::string out;
  append_records(out, text, Stream::err, kTime, tail);
  return out;
}

TEST(Cri, OneRecordALine) {
  EXPECT_EQ(records("a\n\nb\n"),
            "2023-11-14T22:13:20.000000005Z stderr F a\n"
            "2023-11-14T22:13:20.000000005Z stderr F \n"
            "2023-11-14T22:13:20.000000005Z stderr F b\n");
}

TEST(Cri, AnUnfinishedLineIsPartialUnlessTheWriterHasEnded) {
  EXPECT_EQ(records("x"), "2023-11-14T22:13:20.000000005Z stderr P x\n");
  EXPECT_EQ(records("x", Tail::final), "2023-11-14T22:13:20.000000005Z stderr F x\n");
}

TEST(Cri, LongLinesAreSplit) {
  std::string log = records(std::string(kMaxRecordText + 1, 'x') + "\n");
  size_t second = log.find('\n') + 1;
  EXPECT_FALSE(parse_record(std::string_view(log).substr(0, second - 1))->complete);
  auto last = parse_record(std::string_view(log).substr(second, log.size() - second - 1));
  EXPECT_TRUE(last->complete);
  EXPECT_EQ(last->text, "x");
}

TEST(Cri, AFullPieceFollowedByItsNewlineIsOneRecord) {
  std::string log = records(std::string(kMaxRecordText, 'x') + "\n");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);
}

TEST(Cri, ParsesWhatItWrites) {
  auto record = parse_record("2023-11-14T22:13:20.000000005Z stdout F hello world");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->stream, Stream::out);
  EXPECT_EQ(record->text, "hello world");
}

TEST(Cri, RefusesDamagedLines) {
  for (const char* line :
       {"", "x", "2023-11-14T22:13:20.000000005Z stdin F x", "2023-11-14T22:13:20Z stdout Q x"}) {
    EXPECT_FALSE(parse_record(line)) << line;
  }
}

}  // namespace
}  // namespace pcompose::engine
