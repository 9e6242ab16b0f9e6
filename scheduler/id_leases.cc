#include "scheduler/id_leases.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE id_ranges(owner TEXT PRIMARY KEY, first INTEGER NOT NULL, size INTEGER NOT NULL)";

}  // namespace

IdLeases::IdLeases(Database& db) : db_(db) { db_.ensure_schema("id ranges", 1, kSchema); }

std::optional<engine::IdRange> IdLeases::find(const std::string& owner) {
  SQLite::Statement q(db_.get(), "SELECT first, size FROM id_ranges WHERE owner = ?");
  q.bind(1, owner);
  if (!q.executeStep()) return std::nullopt;
  return engine::IdRange{q.getColumn(0).getUInt(), q.getColumn(1).getUInt()};
}

// From the top: plain containers of an ordinary user have the same ids, and use the low ones.
std::optional<engine::IdRange> IdLeases::free_range(uint32_t size, engine::IdRange all) {
  uint64_t end = uint64_t{all.first} + all.size;
  SQLite::Statement q(db_.get(), "SELECT first, size FROM id_ranges ORDER BY first DESC");
  while (q.executeStep()) {
    uint64_t first = q.getColumn(0).getUInt(), after = first + q.getColumn(1).getUInt();
    if (after > end && first >= end) continue;
    if (after + size <= end) break;
    end = std::min(end, first);
  }
  if (end < uint64_t{all.first} + size) return std::nullopt;
  return engine::IdRange{static_cast<uint32_t>(end - size), size};
}

void IdLeases::forget_gone() {
  db_.get().exec(
      "DELETE FROM id_ranges WHERE owner NOT IN (SELECT project || '/' || name FROM containers)");
}

engine::IdRange IdLeases::take(const std::string& owner, uint32_t size, engine::IdRange all) {
  Transaction transaction(db_);
  auto old = find(owner);
  bool within = old && old->first >= all.first &&
                uint64_t{old->first} + old->size <= uint64_t{all.first} + all.size;
  if (within && old->size == size) return *old;
  SQLite::Statement drop(db_.get(), "DELETE FROM id_ranges WHERE owner = ?");
  drop.bind(1, owner);
  drop.exec();
  auto range = free_range(size, all);
  if (!range) {
    forget_gone();
    range = free_range(size, all);
  }
  if (!range) {
    throw Error(fmt::format("userns_mode: no {} ids are left of the {} from {} on", size, all.size,
                            all.first))
        .hint(
            "make the range in /etc/subuid and /etc/subgid larger, or ask for fewer: "
            "userns_mode: auto:size=N");
  }
  SQLite::Statement put(db_.get(), "INSERT INTO id_ranges VALUES(?, ?, ?)");
  put.bind(1, owner);
  put.bind(2, range->first);
  put.bind(3, range->size);
  put.exec();
  transaction.commit();
  return *range;
}

}  // namespace pcompose::scheduler
