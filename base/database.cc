#include "base/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "base/error.h"

namespace pcompose {
namespace {

SQLite::Database open_database(const std::string& path) {
  mode_t before = ::umask(0077);
  try {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 10000);
    ::umask(before);
    return db;
  } catch (const SQLite::Exception& e) {
    ::umask(before);
    throw Error("open the state database " + path + ": " + e.what());
  }
}

}  // namespace

Database::Database(const std::string& path) : db_(open_database(path)) {
  db_.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
      "PRAGMA cache_size=-512;");
}

void Database::ensure_schema(std::string_view room, int version, const std::string& sql) {
  if (!db_.tableExists("schema_versions")) {
    db_.exec(
        "CREATE TABLE IF NOT EXISTS schema_versions(room TEXT PRIMARY KEY, version INTEGER NOT "
        "NULL)");
  }
  auto current = [&] {
    SQLite::Statement query(db_, "SELECT version FROM schema_versions WHERE room=?");
    query.bind(1, std::string(room));
    return query.executeStep() ? query.getColumn(0).getInt() : 0;
  };
  int found = current();
  if (found == version) return;
  if (found > version) {
    throw Error("the state database was written by a newer pcompose (" + std::string(room) +
                " schema " + std::to_string(found) + ", this program knows " +
                std::to_string(version) + ")");
  }
  Transaction transaction(*this);
  if (current() == version) return;  // another process was quicker
  db_.exec(sql);
  SQLite::Statement insert(db_, "INSERT OR REPLACE INTO schema_versions VALUES(?,?)");
  insert.bind(1, std::string(room));
  insert.bind(2, version);
  insert.exec();
  transaction.commit();
}

void Database::rest() { ::sqlite3_db_release_memory(db_.getHandle()); }

}  // namespace pcompose
