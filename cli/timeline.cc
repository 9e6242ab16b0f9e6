#include "cli/timeline.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace pcompose::cli {
namespace {

using compose::Condition;

// Shorter ones are between eager probes, and no file can say anything about them.
constexpr int64_t kLongPause = 1'000'000'000;

std::string text(const json::object& line, const char* key) {
  const auto* value = line.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

int64_t time_of(const json::object& line) {
  const auto* value = line.if_contains("time_ns");
  return value != nullptr && value->is_number() ? value->to_number<int64_t>() : 0;
}

std::string seconds(int64_t ns) {
  double s = static_cast<double>(ns) / 1e9;
  return s < 0.1 ? fmt::format("{:.0f} ms", s * 1000) : fmt::format("{:.1f} s", s);
}

}  // namespace

Timeline::Row& Timeline::row(const std::string& name) {
  Row& out = rows_[name];
  out.name = name;
  return out;
}

void Timeline::add(const json::object& line) {
  if (line.contains("event")) return event(line);
  if (text(line, "kind") == "container") operation(line);
}

void Timeline::operation(const json::object& line) {
  std::string verb = text(line, "verb"), state = text(line, "state");
  if (verb != "prepare" && verb != "start") return;
  Row& r = row(text(line, "name"));
  bool begun = state == "begun";
  if (!begun && state != "done") return;
  int64_t& slot =
      verb == "prepare" ? (begun ? r.prepare : r.prepared) : (begun ? r.start : r.started);
  slot = time_of(line);
}

void Timeline::event(const json::object& line) {
  const auto* given = line.if_contains("attributes");
  if (given == nullptr || !given->is_object()) return;
  const json::object& attributes = given->as_object();
  std::string name = text(attributes, "name"), action = text(line, "event");
  if (action != "start" && !rows_.contains(name)) return;
  Row& r = row(name);
  r.service = text(line, "service");
  int64_t time = time_of(line);
  if (action == "health_status: healthy") r.healthy = time;
  if (action == "listening") r.listening = time;
  if (action == "die") r.ended = time;
  if (action != "probe") return;
  r.probes.push_back({std::strtoll(text(attributes, "began_ns").c_str(), nullptr, 10), time,
                      text(attributes, "result") == "ok"});
  if (r.listening == 0 && text(attributes, "listening") == "yes") r.listening = time;
}

// 0 where it never was.
int64_t Timeline::ready(const Row& row, Condition condition) const {
  if (condition == Condition::service_healthy) return row.healthy;
  if (condition == Condition::service_completed_successfully) return row.ended;
  return row.started;
}

const Timeline::Row* Timeline::slowest(const std::string& service, Condition condition) const {
  const Row* found = nullptr;
  for (const auto& [name, r] : rows_) {
    if (r.service != service || ready(r, condition) == 0) continue;
    if (found == nullptr || ready(r, condition) > ready(*found, condition)) found = &r;
  }
  return found;
}

int64_t Timeline::end(const Row& row) const {
  return std::max({row.started, row.healthy, row.listening});
}

int64_t Timeline::last() const {
  int64_t out = std::max(began_ns_ + 1'000'000, pulled_ns_);
  for (const auto& [name, r] : rows_) {
    out = std::max({out, end(r), r.prepared});
    for (const auto& probe : r.probes) out = std::max(out, probe.ended);
  }
  return out;
}

// From what was ready last back to what began at once.
std::vector<Timeline::Hop> Timeline::critical_path() const {
  std::vector<Hop> out;
  const Row* at = nullptr;
  for (const auto& [name, r] : rows_) {
    if (at == nullptr || end(r) > end(*at)) at = &r;
  }
  if (at == nullptr) return out;
  out.push_back({at});
  for (std::set<const Row*> seen; at != nullptr && seen.insert(at).second;) {
    auto service = project_.services.find(at->service);
    if (service == project_.services.end()) break;
    Hop next{nullptr, at};
    for (const auto& d : service->second.depends_on) {
      const Row* r = slowest(d.service, d.condition);
      if (r == nullptr || ready(*r, d.condition) <= at->prepared) continue;
      if (next.row != nullptr && ready(*r, d.condition) <= ready(*next.row, next.condition))
        continue;
      next = {r, at, d.condition};
    }
    if (next.row == nullptr) break;
    out.push_back(next);
    at = next.row;
  }
  return out;
}

// What the time between its start and its being ready went into.
std::string Timeline::reason(const Hop& hop) const {
  const Row& r = *hop.row;
  if (hop.condition == Condition::service_completed_successfully)
    return fmt::format(", of which {} it ran", seconds(r.ended - r.started));
  if (hop.condition != Condition::service_healthy || r.probes.empty()) return "";
  int64_t failed_until = 0;
  size_t failures = 0;
  const Probe* success = nullptr;
  for (const Probe& p : r.probes) {
    if (p.ended > r.healthy + 1'000'000) break;
    if (p.ok) success = &p;
    if (!p.ok) {
      ++failures;
      failed_until = p.ended;
    }
  }
  if (success == nullptr) return "";
  int64_t took = success->ended - success->began;
  int64_t idle = success->began - std::max(failed_until, r.started);
  std::string out;
  if (failures > 0) {
    out = fmt::format(", of which {} it was not ready yet ({} {} failed)",
                      seconds(failed_until - r.started), failures,
                      failures == 1 ? "probe" : "probes");
  }
  int64_t waited = r.healthy - r.started;
  if (idle * 5 > waited && idle > kLongPause) {
    out += fmt::format("{} {} nobody looked: a shorter interval or start_interval would help",
                       out.empty() ? ", of which" : " and", seconds(idle));
  } else if (took * 5 > waited && took > 50'000'000) {
    out += fmt::format("{} {} was the probe itself: a cheaper test would help",
                       out.empty() ? ", of which" : " and", seconds(took));
  }
  return out;
}

std::vector<std::string> Timeline::advice() const {
  std::vector<std::string> out;
  if (pulled_ns_ > began_ns_ + 100'000'000)
    out.push_back(fmt::format("images took {} to come", seconds(pulled_ns_ - began_ns_)));
  auto path = critical_path();
  for (auto hop = path.rbegin(); hop != path.rend(); ++hop) {
    if (hop->waiter == nullptr) continue;
    int64_t wait = ready(*hop->row, hop->condition) - hop->waiter->prepared;
    out.push_back(fmt::format("{} waited {} for {}{}", hop->waiter->service, seconds(wait),
                              hop->row->service, reason(*hop)));
  }
  out.push_back(fmt::format("all of it took {}", seconds(last() - began_ns_)));
  return out;
}

}  // namespace pcompose::cli
