#include "scheduler/state_store.h"

#include "base/json.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE projects(
  name TEXT PRIMARY KEY, json TEXT NOT NULL, working_dir TEXT NOT NULL, config_files TEXT NOT NULL);
CREATE TABLE containers(
  id TEXT PRIMARY KEY, project TEXT NOT NULL, service TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,
  config_hash TEXT NOT NULL, image_id TEXT NOT NULL, image TEXT NOT NULL, command TEXT NOT NULL,
  service_json TEXT NOT NULL, anonymous_volumes TEXT NOT NULL, created_ns INTEGER NOT NULL, boot TEXT NOT NULL,
  status TEXT NOT NULL, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, started_ns INTEGER NOT NULL,
  finished_ns INTEGER NOT NULL, exit_code INTEGER NOT NULL, error TEXT NOT NULL, health INTEGER NOT NULL,
  restarts INTEGER NOT NULL, stopped_by_user INTEGER NOT NULL);
CREATE INDEX containers_by_project ON containers(project, service, number);
)";

// Added later; a step of its own, so that an older root gets it, too.
constexpr const char* kOneOffs = R"(
ALTER TABLE containers ADD COLUMN one_off INTEGER NOT NULL DEFAULT 0;
ALTER TABLE containers ADD COLUMN remove_at_end INTEGER NOT NULL DEFAULT 0;
)";

constexpr const char* kProbes = "ALTER TABLE containers ADD COLUMN probes TEXT NOT NULL DEFAULT ''";

constexpr const char* kMountedImages =
    "ALTER TABLE containers ADD COLUMN mounted_images TEXT NOT NULL DEFAULT '{}'";

constexpr const char* kColumns =
    "id, project, service, number, name, config_hash, image_id, image, command, service_json, "
    "anonymous_volumes, "
    "created_ns, boot, status, pid, pid_start, started_ns, finished_ns, exit_code, error, health, "
    "restarts, "
    "stopped_by_user, one_off, remove_at_end, probes, mounted_images";

using Names = std::map<std::string, std::string>;

std::string text_of(const Names& names) {
  json::object out;
  for (const auto& [key, name] : names) out[key] = name;
  return json::serialize(out);
}

Names names_of(const std::string& text) {
  Names out;
  for (const auto& [key, name] : json::parse(text).as_object()) out[key] = name.as_string();
  return out;
}

ContainerRow read_row(SQLite::Statement& q, const std::string& boot) {
  ContainerRow r;
  int i = 0;
  auto text = [&] { return q.getColumn(i++).getString(); };
  auto integer = [&] { return q.getColumn(i++).getInt64(); };
  r.id = text();
  r.project = text();
  r.service = text();
  r.number = static_cast<int>(integer());
  r.name = text();
  r.config_hash = text();
  r.image_id = text();
  r.image = text();
  r.command = text();
  r.service_json = text();
  r.anonymous_volumes = names_of(text());
  r.created_ns = integer();
  r.boot = text();
  r.status = status_from_name(text());
  r.pid = static_cast<int32_t>(integer());
  r.pid_start = static_cast<uint64_t>(integer());
  r.started_ns = integer();
  r.finished_ns = integer();
  r.exit_code = static_cast<int>(integer());
  r.error = text();
  r.health = static_cast<Health>(integer());
  r.restarts = static_cast<int>(integer());
  r.stopped_by_user = integer() != 0;
  r.one_off = integer() != 0;
  r.remove_at_end = integer() != 0;
  r.probes = text();
  r.mounted_images = names_of(text());
  if (r.boot == boot || r.status == Status::created) return r;
  // It ran when the machine went down.
  r.status = Status::exited;
  r.pid = 0;
  r.health = Health::none;
  return r;
}

void bind_row(SQLite::Statement& q, const ContainerRow& r, const std::string& boot) {
  int i = 1;
  for (const std::string* s : {&r.id, &r.project, &r.service}) q.bind(i++, *s);
  q.bind(i++, r.number);
  for (const std::string* s :
       {&r.name, &r.config_hash, &r.image_id, &r.image, &r.command, &r.service_json}) {
    q.bind(i++, *s);
  }
  q.bind(i++, text_of(r.anonymous_volumes));
  q.bind(i++, r.created_ns);
  q.bind(i++, boot);
  q.bind(i++, std::string(status_name(r.status)));
  q.bind(i++, r.pid);
  q.bind(i++, static_cast<int64_t>(r.pid_start));
  q.bind(i++, r.started_ns);
  q.bind(i++, r.finished_ns);
  q.bind(i++, r.exit_code);
  q.bind(i++, r.error);
  q.bind(i++, static_cast<int>(r.health));
  q.bind(i++, r.restarts);
  for (bool flag : {r.stopped_by_user, r.one_off, r.remove_at_end}) q.bind(i++, flag ? 1 : 0);
  q.bind(i++, r.probes);
  q.bind(i++, text_of(r.mounted_images));
}

}  // namespace

StateStore::StateStore(Database& db, std::string boot)
    : db_(db), boot_(std::move(boot)), events_(db) {
  db_.ensure_schema("scheduler", 1, kSchema);
  db_.ensure_schema("scheduler: one-offs", 1, kOneOffs);
  db_.ensure_schema("scheduler: probes", 1, kProbes);
  db_.ensure_schema("scheduler: mounted images", 1, kMountedImages);
}

std::vector<ContainerRow> StateStore::containers(const std::string& project) {
  SQLite::Statement query(db_.get(),
                          std::string("SELECT ") + kColumns +
                              " FROM containers WHERE project=? ORDER BY service, number");
  query.bind(1, project);
  std::vector<ContainerRow> out;
  while (query.executeStep()) out.push_back(read_row(query, boot_));
  return out;
}

std::map<std::string, std::string> StateStore::images_in_use() {
  SQLite::Statement query(db_.get(),
                          "SELECT id, min(name) FROM (SELECT image_id AS id, name FROM containers "
                          "UNION ALL SELECT mounted.value, name FROM containers, "
                          "json_each(containers.mounted_images) AS mounted) GROUP BY id");
  std::map<std::string, std::string> out;
  while (query.executeStep()) out[query.getColumn(0).getString()] = query.getColumn(1).getString();
  return out;
}

std::optional<ProjectRow> StateStore::project(const std::string& name) {
  SQLite::Statement query(
      db_.get(), "SELECT name, json, working_dir, config_files FROM projects WHERE name=?");
  query.bind(1, name);
  if (!query.executeStep()) return std::nullopt;
  return ProjectRow{query.getColumn(0).getString(), query.getColumn(1).getString(),
                    query.getColumn(2).getString(), query.getColumn(3).getString()};
}

std::vector<ProjectRow> StateStore::projects() {
  SQLite::Statement query(
      db_.get(), "SELECT name, json, working_dir, config_files FROM projects ORDER BY name");
  std::vector<ProjectRow> out;
  while (query.executeStep()) {
    out.push_back({query.getColumn(0).getString(), query.getColumn(1).getString(),
                   query.getColumn(2).getString(), query.getColumn(3).getString()});
  }
  return out;
}

void StateStore::put(const ProjectRow& row) {
  SQLite::Statement insert(db_.get(), "INSERT OR REPLACE INTO projects VALUES(?,?,?,?)");
  insert.bind(1, row.name);
  insert.bind(2, row.json);
  insert.bind(3, row.working_dir);
  insert.bind(4, row.config_files);
  insert.exec();
}

void StateStore::remove_project(const std::string& name) {
  SQLite::Statement remove(db_.get(), "DELETE FROM projects WHERE name=?");
  remove.bind(1, name);
  remove.exec();
}

void StateStore::remove_container(const std::string& id) {
  dirty_.erase(id);
  removed_.push_back(id);
}

void StateStore::flush() {
  if (!dirty()) return;
  Transaction transaction(db_);
  SQLite::Statement remove(db_.get(), "DELETE FROM containers WHERE id=?");
  for (const std::string& id : removed_) {
    remove.bind(1, id);
    remove.exec();
    remove.reset();
  }
  SQLite::Statement insert(db_.get(),
                           std::string("INSERT OR REPLACE INTO containers(") + kColumns +
                               ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  for (const auto& [id, row] : dirty_) {
    bind_row(insert, row, boot_);
    insert.exec();
    insert.reset();
  }
  events_.write(happened_);
  transaction.commit();
  happened_.clear();
  dirty_.clear();
  removed_.clear();
}

}  // namespace pcompose::scheduler
