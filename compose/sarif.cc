#include "compose/sarif.h"

#include "base/json.h"
#include "compose/tree_json.h"

namespace pcompose::compose {
namespace {

// A URI reference: what may not stand in one is written as %XX (RFC 3986, section 2.1).
std::string uri_of(const std::string& path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : path) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

json::value location(const Position& position) {
  json::object physical{{"artifactLocation", json::object{{"uri", uri_of(position.file)}}}};
  if (position.line > 0) {
    physical["region"] =
        json::object{{"startLine", position.line}, {"startColumn", position.column}};
  }
  return json::object{{"physicalLocation", std::move(physical)}};
}

json::value result(const Diagnostic& diagnostic) {
  bool error = diagnostic.severity == Severity::error;
  std::string text =
      diagnostic.path.empty() ? diagnostic.message : diagnostic.path + ": " + diagnostic.message;
  json::object out{{"ruleId", error ? "compose-error" : "compose-warning"},
                   {"level", error ? "error" : "warning"},
                   {"message", json::object{{"text", text}}}};
  if (diagnostic.position.known()) out["locations"] = json::array{location(diagnostic.position)};
  json::array related;
  for (const Step& step : diagnostic.via) {
    json::value where = location(step.position);
    where.as_object()["message"] = json::object{{"text", step.how}};
    related.push_back(std::move(where));
  }
  if (!related.empty()) out["relatedLocations"] = std::move(related);
  return out;
}

}  // namespace

std::string sarif_text(const std::vector<Diagnostic>& diagnostics, std::string_view version) {
  json::array results;
  for (const Diagnostic& d : diagnostics) results.push_back(result(d));
  json::array rules{
      json::object{{"id", "compose-error"},
                   {"shortDescription", json::object{{"text", "The compose file is wrong"}}}},
      json::object{{"id", "compose-warning"},
                   {"shortDescription", json::object{{"text", "The compose file is dubious"}}}}};
  json::object driver{{"name", "pcompose"}, {"version", version}, {"rules", std::move(rules)}};
  json::object run{{"tool", json::object{{"driver", std::move(driver)}}},
                   {"columnKind", "unicodeCodePoints"},
                   {"results", std::move(results)}};
  return json_text(json::object{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                                {"version", "2.1.0"},
                                {"runs", json::array{std::move(run)}}});
}

}  // namespace pcompose::compose
