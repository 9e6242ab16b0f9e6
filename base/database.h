// The one SQLite database of a root: durable facts, shared by all projects.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <SQLiteCpp/SQLiteCpp.h>

namespace pcompose {

// WAL, synchronous=NORMAL, foreign keys on, waits up to 10 s for another process's transaction. A
// room keeps its own tables and makes them with ensure_schema(). Use from one thread at a time.
class Database {
 public:
  // Makes the file (0600) where there is none. Throws Error naming it.
  explicit Database(const std::string& path);

  [[nodiscard]] SQLite::Database& get() { return db_; }
  // Runs `sql` (CREATE TABLE IF NOT EXISTS …) once per room and version. Throws Error where the
  // database was written by a newer pcompose.
  void ensure_schema(std::string_view room, int version, const std::string& sql);
  // Gives back the memory of pages it has read.
  void rest();

 private:
  SQLite::Database db_;
};

// BEGIN IMMEDIATE … COMMIT: takes the write lock at once, so that two writers wait instead of
// failing halfway.
class Transaction {
 public:
  explicit Transaction(Database& db)
      : transaction_(db.get(), SQLite::TransactionBehavior::IMMEDIATE) {}
  void commit() { transaction_.commit(); }

 private:
  SQLite::Transaction transaction_;
};

// While it lives, a commit is on the disk before it returns: for facts that a power cut must not
// take back. Not within a transaction.
class DurableCommits {
 public:
  explicit DurableCommits(Database& db) : db_(db) { db_.get().exec("PRAGMA synchronous=FULL"); }
  DurableCommits(const DurableCommits&) = delete;
  DurableCommits& operator=(const DurableCommits&) = delete;
  ~DurableCommits() { static_cast<void>(db_.get().tryExec("PRAGMA synchronous=NORMAL")); }

 private:
  Database& db_;
};

}  // namespace pcompose
