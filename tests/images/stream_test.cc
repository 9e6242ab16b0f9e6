#include "engine/images/stream.h"

#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/loop.h"
#include "engine/images/byte_ring.h"
#include "engine/images/read_ahead.h"
#include "tests/fixture/image_builder.h"

namespace pcompose::engine {
namespace {

// Some text, and bytes that do not compress.
std::string sample(size_t size) {
  std::mt19937 random(7);
  std::string out;
  while (out.size() < size) {
    out += random() % 3 == 0 ? std::string(random() % 3000, 'x') : std::to_string(random());
  }
  return out;
}

// Gives `data` in pieces of any size.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string_view data, unsigned seed, size_t most)
      : data_(data), random_(seed), most_(most) {}
  std::string_view next() override {
    std::string_view piece = data_.substr(0, 1 + random_() % most_);
    data_.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::string_view data_;
  std::mt19937 random_;
  size_t most_;
};

std::string all_of(ByteStream& stream) {
  std::string out;
  for (;;) {
    std::string_view piece = stream.next();
    if (piece.empty()) return out;
    out += piece;
  }
}

TEST(Inflate, GzipMembersInAnyPieces) {
  std::string plain = sample(200'000), packed;
  for (size_t at = 0; at < plain.size(); at += 30'011)
    packed += fixture::gzip(plain.substr(at, 30'011), static_cast<int>(at % 9 + 1));
  packed += fixture::gzip("");
  for (unsigned seed = 0; seed < 200; ++seed) {
    Pieces pieces(packed, seed, seed % 2 == 0 ? 5 : 9000);
    ASSERT_EQ(all_of(*inflate(pieces)), plain) << seed;
  }
}

TEST(Inflate, EveryCutIsNoticed) {
  std::string plain = sample(3000), packed = fixture::gzip(plain);
  for (size_t size = 6; size < packed.size(); ++size) {
    Pieces pieces(std::string_view(packed).substr(0, size), 1, 100);
    EXPECT_THROW(all_of(*inflate(pieces)), Error) << size;
  }
}

TEST(ReadAhead, PassesEverythingAndThenTheError) {
  std::string plain = sample(5'000'000), packed = fixture::gzip(plain);
  packed.resize(packed.size() - 3);
  Pieces pieces(packed, 3, 70'000);
  auto inflated = inflate(pieces);
  ReadAhead ahead(*inflated, 1U << 20U);
  std::string found;
  EXPECT_THROW(
      {
        for (;;) found += ahead.next();
      },
      Error);
  EXPECT_EQ(found, plain.substr(0, found.size()));
}

TEST(ReadAhead, EndsBeforeTheSourceDoes) {
  std::string plain = sample(5'000'000);
  Pieces pieces(plain, 3, 70'000);
  {
    ReadAhead ahead(pieces, 1U << 18U);
    EXPECT_FALSE(ahead.next().empty());
  }
  EXPECT_FALSE(pieces.next().empty());
}

TEST(ByteRing, AnOfferWithoutSpaceIsCalledForLater) {
  ByteRing ring(1U << 16U);
  std::string plain = sample(1'000'000), found;
  LoopThread producer("producer");
  size_t at = 0, calls = 0;
  std::function<void()> fill = [&] {
    for (;;) {
      std::string_view piece = std::string_view(plain).substr(at, 5000);
      if (piece.empty()) return ring.finish();
      auto result = ring.offer(piece);
      if (result != ByteRing::Put::taken) return;
      at += piece.size();
    }
  };
  ring.on_space([&] {
    ++calls;
    producer.post(fill);
  });
  producer.post(fill);
  for (std::string_view piece = ring.next(); !piece.empty(); piece = ring.next()) found += piece;
  EXPECT_EQ(found, plain);
  EXPECT_GT(calls, 5U);
}

TEST(ByteRing, NothingGoesInAfterAbandon) {
  ByteRing ring(1000);
  ring.abandon();
  EXPECT_EQ(ring.offer("x"), ByteRing::Put::abandoned);
  EXPECT_FALSE(ring.put("x"));
}

}  // namespace
}  // namespace pcompose::engine
