// A timeline as a drawing and as a trace.
#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "cli/timeline.h"

namespace pcompose::cli {
namespace {

constexpr double kLeft = 190, kWidth = 760, kRow = 26, kTop = 54;

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string rectangle(double x, double y, double width, double height, const char* color,
                      const std::string& title) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\">"
      "<title>{}</title></rect>\n",
      x, y, std::max(width, 1.0), height, color, escaped(title));
}

std::string label(double x, double y, const std::string& text, const char* attributes = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes,
                     escaped(text));
}

// 1, 2 or 5 times a power of ten: at most eight of them in `span`.
double grid_step(double span) {
  for (double unit = 0.001;; unit *= 10) {
    for (double step : {unit, 2 * unit, 5 * unit}) {
      if (span / step <= 8) return step;
    }
  }
}

}  // namespace

// Where a moment lies on the paper.
struct Timeline::Scale {
  int64_t began_ns;
  double span;  // seconds
  double operator()(int64_t time) const {
    double at = static_cast<double>(time - began_ns) / 1e9 / span;
    return kLeft + kWidth * std::clamp(at, 0.0, 1.0);
  }
};

namespace {

std::string legend() {
  constexpr std::pair<const char*, const char*> kLegend[] = {
      {"#b8c4d6", "prepare"},  {"#4a7ab5", "start"},   {"#e8c46a", "probe failed"},
      {"#5aa469", "probe ok"}, {"#d9e8f5", "running"}, {"#d0342c", "critical path"}};
  std::string out;
  double at = kLeft;
  for (auto [color, name] : kLegend) {
    out += rectangle(at, 11, 10, 10, color, name) + label(at + 14, 20, name);
    at += 24 + 7.0 * static_cast<double>(std::string(name).size());
  }
  return out;
}

std::string grid(double span, double bottom) {
  std::string out;
  double step = grid_step(span);
  for (double t = 0; t <= span; t += step) {
    double place = kLeft + kWidth * t / span;
    out += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#e4e4e4\"/>\n", place,
        kTop - 8, bottom);
    out +=
        label(place, kTop - 12, fmt::format("{:g} s", t), "fill=\"#777\" text-anchor=\"middle\"");
  }
  return out;
}

std::string stroke(double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" "
      "stroke=\"#d0342c\" stroke-width=\"2\"/>\n",
      x1, y1, x2, y2);
}

}  // namespace

std::string Timeline::draw(const Row& r, double y, const Scale& x) const {
  std::string out = label(10, y + 15, r.name);
  auto bar = [&](int64_t from, int64_t to, double top, double height, const char* color,
                 const char* title) {
    if (from > 0 && to >= from)
      out += rectangle(x(from), y + top, x(to) - x(from), height, color, title);
  };
  bar(r.prepare, r.prepared, 5, 14, "#b8c4d6", "prepare");
  bar(r.started, r.ended > r.started ? r.ended : last(), 9, 6, "#d9e8f5", "running");
  bar(r.start, r.started, 5, 14, "#4a7ab5", "start");
  for (const Probe& p : r.probes)
    bar(p.began, p.ended, 5, 14, p.ok ? "#5aa469" : "#e8c46a", p.ok ? "probe ok" : "probe failed");
  if (r.listening > 0)
    out += label(x(r.listening), y + 4, "listening", "font-size=\"8\" fill=\"#555\"");
  if (r.healthy > 0)
    out += label(x(r.healthy) + 3, y + 16, "healthy", "font-size=\"10\" fill=\"#2c6b3a\"");
  return out;
}

// A waiting container is on the path only from the moment that it could go on.
std::string Timeline::draw_path(const std::map<const Row*, double>& places, const Scale& x) const {
  std::string out;
  auto path = critical_path();
  for (size_t i = 0; i < path.size(); ++i) {
    const Hop& hop = path[i];
    int64_t from = hop.row->prepare > 0 ? hop.row->prepare : hop.row->start;
    if (i + 1 < path.size()) from = ready(*path[i + 1].row, path[i + 1].condition);
    int64_t until = hop.waiter == nullptr ? end(*hop.row) : ready(*hop.row, hop.condition);
    double y = places.at(hop.row) + 21;
    out += stroke(x(from), y, x(until), y);
    if (hop.waiter != nullptr) out += stroke(x(until), y, x(until), places.at(hop.waiter) + 21);
  }
  return out;
}

std::string Timeline::svg() const {
  Scale x{began_ns_, static_cast<double>(last() - began_ns_) / 1e9};
  auto words = advice();
  double bottom = kTop + kRow * static_cast<double>(rows_.size() + 1);
  double height = bottom + 40 + 18 * static_cast<double>(words.size());
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 "
      "0 "
      "{0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      kLeft + kWidth + 50, height);
  out += label(10, 20, project_.name + " up", "font-size=\"15\" font-weight=\"bold\"");
  out += legend() + grid(x.span, bottom);
  out += label(10, kTop + 15, "images") +
         rectangle(x(began_ns_), kTop + 5, x(pulled_ns_) - x(began_ns_), 14, "#9a7bb5", "images");
  std::vector<const Row*> order;
  for (const auto& [name, r] : rows_) order.push_back(&r);
  std::ranges::sort(order, {}, [](const Row* r) { return std::tie(r->started, r->name); });
  std::map<const Row*, double> places;
  double y = kTop + kRow;
  for (const Row* r : order) {
    places[r] = y;
    out += draw(*r, y, x);
    y += kRow;
  }
  out += draw_path(places, x);
  y = bottom + 24;
  for (const std::string& word : words) {
    out += label(10, y, word);
    y += 18;
  }
  return out + "</svg>\n";
}

std::string Timeline::trace() const {
  json::array events;
  int thread = 0;
  auto span = [&](const char* name, int64_t from, int64_t to) {
    if (from == 0 || to < from) return;
    events.push_back(json::object{{"name", name},
                                  {"cat", "pcompose"},
                                  {"ph", "X"},
                                  {"ts", static_cast<double>(from - began_ns_) / 1000},
                                  {"dur", static_cast<double>(to - from) / 1000},
                                  {"pid", 1},
                                  {"tid", thread}});
  };
  auto mark = [&](const char* name, int64_t at) {
    if (at == 0) return;
    events.push_back(json::object{{"name", name},
                                  {"cat", "pcompose"},
                                  {"ph", "i"},
                                  {"s", "t"},
                                  {"ts", static_cast<double>(at - began_ns_) / 1000},
                                  {"pid", 1},
                                  {"tid", thread}});
  };
  auto name_thread = [&](const std::string& name) {
    events.push_back(json::object{{"name", "thread_name"},
                                  {"ph", "M"},
                                  {"pid", 1},
                                  {"tid", thread},
                                  {"args", json::object{{"name", name}}}});
  };
  name_thread("images");
  if (pulled_ns_ > 0) span("pull", began_ns_, pulled_ns_);
  std::set<const Row*> critical;
  for (const Hop& hop : critical_path()) critical.insert(hop.row);
  for (const auto& [name, r] : rows_) {
    ++thread;
    name_thread(critical.contains(&r) ? name + " (critical path)" : name);
    span("prepare", r.prepare, r.prepared);
    span("start", r.start, r.started);
    for (const Probe& p : r.probes) span(p.ok ? "probe ok" : "probe failed", p.began, p.ended);
    mark("listening", r.listening);
    mark("healthy", r.healthy);
    mark("ended", r.ended);
  }
  json::array words;
  for (const std::string& word : advice()) words.emplace_back(word);
  return json::serialize(json::object{{"traceEvents", std::move(events)},
                                      {"displayTimeUnit", "ms"},
                                      {"otherData", json::object{{"advice", std::move(words)}}}}) +
         "\n";
}

}  // namespace pcompose::cli
