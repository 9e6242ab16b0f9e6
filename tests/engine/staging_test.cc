#include "engine/output/staging.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

class StagingTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/dev/shm/pcompose-staging-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    std::filesystem::create_directory(directory_ + "/log");
    Staging::make_fifos(directory_);
    reader_ = open_file(Staging::fifo_path(directory_, Stream::out), O_RDONLY | O_NONBLOCK);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Staging> staging(LogLimits limits = {}) {
    return std::make_unique<Staging>(directory_, directory_ + "/log", limits);
  }
  Fd writer() { return open_file(Staging::fifo_path(directory_, Stream::out), O_RDWR); }

  std::vector<std::string> lines() {
    std::vector<std::string> out;
    for (uint32_t generation : log_generations(directory_ + "/log")) {
      std::ifstream in(directory_ + "/log/" + log_file_name(generation));
      std::string partial;
      for (std::string line; std::getline(in, line);) {
        auto record = parse_record(line);
        if (!record) throw Error("damaged: " + line);
        partial += record->text;
        if (!record->complete) continue;
        out.push_back(partial);
        partial.clear();
      }
    }
    return out;
  }

  std::string directory_;
  Fd reader_;
};

TEST_F(StagingTest, WholeLinesGoToTheLogAndTheRestWaits) {
  auto s = staging();
  Fd w = writer();
  write_all(w.get(), "one\ntwo\nthr");
  EXPECT_EQ(s->absorb(Stream::out, reader_.get()), Absorbed::some);
  EXPECT_EQ(s->absorb(Stream::out, reader_.get()), Absorbed::nothing);
  s->write_log(Stream::out, Tail::open);
  EXPECT_EQ(lines(), (std::vector<std::string>{"one", "two"}));
  write_all(w.get(), "ee\nend");
  w.reset();
  EXPECT_EQ(s->absorb(Stream::out, reader_.get()), Absorbed::some);
  EXPECT_EQ(s->absorb(Stream::out, reader_.get()), Absorbed::end);
  s->write_log(Stream::out, Tail::final);
  EXPECT_EQ(lines(), (std::vector<std::string>{"one", "two", "three", "end"}));
}

TEST_F(StagingTest, ASuccessorGoesOnWhereItEnded) {
  Fd w = writer();
  write_all(w.get(), "one\ntw");
  auto first = staging();
  first->absorb(Stream::out, reader_.get());
  first->write_log(Stream::out, Tail::open);
  first.reset();
  auto second = staging();
  write_all(w.get(), "o\n");
  second->absorb(Stream::out, reader_.get());
  second->write_log(Stream::out, Tail::open);
  EXPECT_EQ(lines(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(StagingTest, OldGenerationsGo) {
  LogLimits limits{.max_bytes = 1000, .max_files = 2};
  auto s = staging(limits);
  Fd w = writer();
  for (int i = 0; i < 40; ++i) {
    write_all(w.get(), std::string(90, 'x') + "\n");
    s->absorb(Stream::out, reader_.get());
    s->write_log(Stream::out, Tail::open);
  }
  auto generations = log_generations(directory_ + "/log");
  EXPECT_EQ(generations.size(), 2U);
  EXPECT_GT(generations.front(), 2U);
}

// The test of the design: kill -9 at any instant neither loses nor repeats a line.
TEST_F(StagingTest, KilledReadersLoseAndRepeatNothing) {
  constexpr int kLines = 400000;
  pid_t printer = ::fork();
  if (printer == 0) {
    Fd w = open_file(Staging::fifo_path(directory_, Stream::out), O_RDWR);
    std::string block;
    for (int i = 0; i < kLines; ++i) {
      block += std::to_string(i) + "\n";
      if (block.size() < 5000 && i + 1 < kLines) continue;
      write_all(w.get(), block);
      block.clear();
    }
    ::_exit(0);
  }
  std::mt19937 random(1);  // NOLINT: the same kills every time
  bool ended = false;
  for (int kills = 0; !ended; ++kills) {
    pid_t child = ::fork();
    if (child == 0) {
      Staging s(directory_, directory_ + "/log", {.max_bytes = 3U << 20U, .max_files = 100});
      for (;;) {
        Absorbed a = s.absorb(Stream::out, reader_.get());
        s.write_log(Stream::out, a == Absorbed::end ? Tail::final : Tail::open);
        if (a == Absorbed::end && ::waitpid(-1, nullptr, WNOHANG) < 0) ::_exit(0);
      }
    }
    ::usleep(500 + random() % 4000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (printer != 0 && ::waitpid(printer, nullptr, WNOHANG) == printer) printer = 0;
    ended = printer == 0 && kills > 100;
  }
  Staging last(directory_, directory_ + "/log", {.max_bytes = 3U << 20U, .max_files = 100});
  while (last.absorb(Stream::out, reader_.get()) == Absorbed::some)
    last.write_log(Stream::out, Tail::open);
  last.write_log(Stream::out, Tail::final);
  auto all = lines();
  ASSERT_EQ(all.size(), static_cast<size_t>(kLines));
  for (int i = 0; i < kLines; ++i) ASSERT_EQ(all[static_cast<size_t>(i)], std::to_string(i));
}

}  // namespace
}  // namespace pcompose::engine
