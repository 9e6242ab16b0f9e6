#include "scheduler/container_event.h"

#include <set>

#include "base/json.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, project TEXT NOT NULL, service TEXT NOT NULL,
  container TEXT NOT NULL, one_off INTEGER NOT NULL, action TEXT NOT NULL, attributes TEXT NOT NULL);
CREATE INDEX events_by_project ON events(project, id);
)";

std::string attributes_text(const std::map<std::string, std::string>& attributes) {
  json::object out;
  for (const auto& [name, value] : attributes) out[name] = value;
  return json::serialize(out);
}

}  // namespace

EventRows::EventRows(Database& db) : db_(db) { db_.ensure_schema("events", 1, kSchema); }

void EventRows::write(const std::vector<ContainerEvent>& events) {
  SQLite::Statement insert(db_.get(),
                           "INSERT INTO events(time_ns, project, service, container, one_off, "
                           "action, attributes) VALUES(?,?,?,?,?,?,?)");
  std::set<std::string> projects;
  for (const ContainerEvent& e : events) {
    insert.bind(1, e.time_ns);
    insert.bind(2, e.project);
    insert.bind(3, e.service);
    insert.bind(4, e.container);
    insert.bind(5, e.one_off ? 1 : 0);
    insert.bind(6, e.action);
    insert.bind(7, attributes_text(e.attributes));
    insert.exec();
    insert.reset();
    projects.insert(e.project);
  }
  SQLite::Statement trim(db_.get(),
                         "DELETE FROM events WHERE project=?1 AND id <= (SELECT id FROM events "
                         "WHERE project=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)");
  for (const std::string& project : projects) {
    trim.bind(1, project);
    trim.bind(2, kEventsKept);
    trim.exec();
    trim.reset();
  }
}

std::vector<ContainerEvent> EventRows::read(const std::string& project, const Window& window) {
  SQLite::Statement query(db_.get(),
                          "SELECT id, time_ns, service, container, one_off, action, attributes "
                          "FROM events WHERE project=? AND id>? AND time_ns BETWEEN ? AND ? "
                          "ORDER BY id");
  query.bind(1, project);
  query.bind(2, window.after_id);
  query.bind(3, window.since_ns);
  query.bind(4, window.until_ns);
  std::vector<ContainerEvent> out;
  while (query.executeStep()) {
    ContainerEvent e;
    e.id = query.getColumn(0).getInt64();
    e.time_ns = query.getColumn(1).getInt64();
    e.project = project;
    e.service = query.getColumn(2).getString();
    e.container = query.getColumn(3).getString();
    e.one_off = query.getColumn(4).getInt() != 0;
    e.action = query.getColumn(5).getString();
    for (const auto& [name, value] : json::parse(query.getColumn(6).getString()).as_object())
      e.attributes[std::string(name)] = value.as_string();
    out.push_back(std::move(e));
  }
  return out;
}

int64_t EventRows::last_id() {
  return db_.get().execAndGet("SELECT coalesce(max(id), 0) FROM events").getInt64();
}

}  // namespace pcompose::scheduler
