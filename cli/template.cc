#include "cli/template.h"

#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/table.h"

namespace pcompose::cli {
namespace {

using Values = std::vector<json::value>;

std::string plain(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  if (v.is_null()) return "<no value>";
  return json::serialize(v);
}

bool truth(const json::value& v) {
  if (v.is_null()) return false;
  if (v.is_bool()) return v.as_bool();
  if (v.is_string()) return !v.as_string().empty();
  if (v.is_array()) return !v.as_array().empty();
  if (v.is_object()) return !v.as_object().empty();
  return v.to_number<double>() != 0;
}

std::string changed(std::string text, int (*change)(int)) {
  std::ranges::transform(text, text.begin(), [&](char c) {
    return static_cast<char>(change(static_cast<unsigned char>(c)));
  });
  return text;
}

// "Labels" is "a=1,b=2".
std::string label(const json::object& row, const std::string& wanted) {
  const auto* all = row.if_contains("Labels");
  std::string text = all == nullptr ? "" : plain(*all);
  for (size_t at = 0; at < text.size();) {
    size_t comma = std::min(text.find(',', at), text.size());
    std::string one = text.substr(at, comma - at);
    if (one.starts_with(wanted + "=")) return one.substr(wanted.size() + 1);
    at = comma + 1;
  }
  return "";
}

json::value split(const Values& a) {
  json::array out;
  std::string text = plain(a.at(0)), by = plain(a.at(1));
  for (size_t at = 0;;) {
    size_t found = by.empty() ? std::string::npos : text.find(by, at);
    out.emplace_back(text.substr(at, found - at));
    if (found == std::string::npos) return out;
    at = found + by.size();
  }
}

json::value join(const Values& a) {
  std::string out;
  for (const auto& v : a.at(0).as_array()) out += (out.empty() ? "" : plain(a.at(1))) + plain(v);
  return json::value(out);
}

std::string title(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 0 || text[i - 1] == ' ') text[i] = static_cast<char>(std::toupper(text[i]));
  }
  return text;
}

json::value size_of(const json::value& v) {
  if (v.is_array()) return v.as_array().size();
  if (v.is_object()) return v.as_object().size();
  return plain(v).size();
}

json::value pad(const Values& a) {
  if (plain(a.at(0)).empty()) return "";
  auto blanks = [&](size_t i) { return std::string(a.at(i).to_number<size_t>(), ' '); };
  return json::value(blanks(1) + plain(a.at(0)) + blanks(2));
}

using Function = std::function<json::value(const Values&)>;
const std::map<std::string, Function>& functions() {
  static const std::map<std::string, Function> table = {
      {"json", [](const Values& a) { return json::value(json::serialize(a.at(0))); }},
      {"upper",
       [](const Values& a) { return json::value(changed(plain(a.at(0)), &std::toupper)); }},
      {"lower",
       [](const Values& a) { return json::value(changed(plain(a.at(0)), &std::tolower)); }},
      {"title", [](const Values& a) { return json::value(title(plain(a.at(0)))); }},
      {"len", [](const Values& a) { return size_of(a.at(0)); }},
      {"println", [](const Values& a) { return json::value(plain(a.at(0)) + "\n"); }},
      {"truncate",
       [](const Values& a) {
         return json::value(plain(a.at(0)).substr(0, a.at(1).to_number<size_t>()));
       }},
      {"join", join},
      {"split", split},
      {"pad", pad}};
  return table;
}

struct Operand {
  enum class Kind { field, value, function } kind = Kind::value;
  std::vector<std::string> path;  // of a field; empty is the whole
  json::value value;
  std::string name;
};
using Command = std::vector<Operand>;
using Pipeline = std::vector<Command>;

// The words between {{ and }}.
class Words {
 public:
  explicit Words(std::string text) : text_(std::move(text)) {}

  Pipeline pipeline() {
    Pipeline out(1);
    for (skip(); at_ < text_.size(); skip()) {
      if (text_[at_] == '|') {
        ++at_;
        out.emplace_back();
      } else {
        out.back().push_back(operand());
      }
    }
    for (const Command& c : out) {
      if (c.empty()) throw Error("format: \"{{" + text_ + "}}\" says nothing");
    }
    return out;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  std::string until(const std::string& ends) {
    size_t end = std::min(text_.find_first_of(ends, at_), text_.size());
    std::string word = text_.substr(at_, end - at_);
    at_ = end;
    return word;
  }
  Operand operand() {
    Operand o;
    char first = text_[at_];
    if (first == '"' || first == '`') {
      ++at_;
      std::string word = until(std::string(1, first));
      if (at_ == text_.size()) throw Error("format: a quote is not closed in {{" + text_ + "}}");
      ++at_;
      o.value = word;
      return o;
    }
    std::string word = until(" \t|");
    if (first == '.') {
      o.kind = Operand::Kind::field;
      for (size_t at = 1; at < word.size();) {
        size_t dot = std::min(word.find('.', at), word.size());
        o.path.push_back(word.substr(at, dot - at));
        at = dot + 1;
      }
      return o;
    }
    if (word.find_first_not_of("-0123456789") == std::string::npos) {
      o.value = std::atoll(word.c_str());
      return o;
    }
    if (!functions().contains(word)) {
      throw Error("format: function \"" + word + "\" is not known")
          .hint("known are json, upper, lower, title, join, split, pad, truncate, len, println");
    }
    o.kind = Operand::Kind::function;
    o.name = word;
    return o;
  }

  std::string text_;
  size_t at_ = 0;
};

json::value field(const json::value& root, const Operand& o) {
  json::value v = root;
  for (const std::string& name : o.path) {
    const auto* found = v.is_object() ? v.as_object().if_contains(name) : nullptr;
    if (found == nullptr) {
      std::string known;
      if (v.is_object())
        for (const auto& [key, value] : v.as_object())
          known += (known.empty() ? "" : ", ") + std::string(key);
      throw Error("format: no field \"" + name + "\"").hint("there are " + known);
    }
    v = json::value(*found);
  }
  return v;
}

json::value evaluate(const Pipeline& pipeline, const json::value& dot) {
  std::optional<json::value> before;
  for (const Command& command : pipeline) {
    const Operand& head = command.front();
    Values arguments;
    auto add = [&](const Operand& o) {
      arguments.push_back(o.kind == Operand::Kind::field ? field(dot, o) : o.value);
    };
    for (size_t i = 1; i < command.size(); ++i) add(command[i]);
    if (before) arguments.push_back(*before);  // the last one, as Go has it
    if (head.kind == Operand::Kind::function) {
      try {
        before = functions().at(head.name)(arguments);
      } catch (const std::exception&) {
        throw Error("format: wrong arguments for \"" + head.name + "\"");
      }
    } else if (head.path == std::vector<std::string>{"Label"} && arguments.size() == 1) {
      before = json::value(label(dot.as_object(), plain(arguments[0])));
    } else {
      add(head);
      before = arguments.back();
    }
  }
  return *before;
}

}  // namespace

struct Template::Node {
  enum class Kind { text, value, condition, range } kind = Kind::text;
  std::string text;
  Pipeline pipeline;
  std::vector<Node> then, otherwise;
};

namespace {

using Node = Template::Node;

std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool escape = text[i] == '\\' && i + 1 < text.size();
    if (escape && (text[i + 1] == 't' || text[i + 1] == 'n')) {
      out += text[++i] == 't' ? '\t' : '\n';
    } else {
      out += text[i];
    }
  }
  return out;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}
  std::vector<Node> all() {
    auto out = block();
    if (!ended_by_.empty()) throw Error("format: {{" + ended_by_ + "}} without a beginning");
    return out;
  }

 private:
  // Up to an `else` or `end`, which is left in ended_by_, or to the end of the text.
  std::vector<Node> block() {
    std::vector<Node> out;
    ended_by_.clear();
    while (at_ < text_.size()) {
      size_t open = std::min(text_.find("{{", at_), text_.size());
      if (open > at_)
        out.push_back({Node::Kind::text, unescaped(text_.substr(at_, open - at_)), {}, {}, {}});
      at_ = open;
      if (open == text_.size()) break;
      size_t close = text_.find("}}", open);
      if (close == std::string::npos) throw Error("format: {{ is not closed");
      std::string inner = trimmed(text_.substr(open + 2, close - open - 2));
      at_ = close + 2;
      if (inner == "end" || inner == "else") {
        ended_by_ = inner;
        return out;
      }
      out.push_back(action(inner));
    }
    return out;
  }

  Node action(const std::string& inner) {
    for (auto [word, kind] :
         {std::pair("if ", Node::Kind::condition), {"range ", Node::Kind::range}}) {
      if (!inner.starts_with(word)) continue;
      Node node{kind, "", Words(inner.substr(std::string(word).size())).pipeline(), {}, {}};
      node.then = block();
      if (ended_by_ == "else") node.otherwise = block();
      if (ended_by_ != "end") throw Error("format: {{" + inner + "}} has no {{end}}");
      ended_by_.clear();
      return node;
    }
    return {Node::Kind::value, "", Words(inner).pipeline(), {}, {}};
  }

  // "-" next to the braces asks for less white space; a line a row has none to lose.
  static std::string trimmed(std::string text) {
    size_t first = text.find_first_not_of(" \t-"), last = text.find_last_not_of(" \t-");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
  }

  const std::string& text_;
  size_t at_ = 0;
  std::string ended_by_;
};

void expand_into(const std::vector<Node>& nodes, const json::value& dot, std::string& out) {
  for (const Node& node : nodes) {
    if (node.kind == Node::Kind::text) {
      out += node.text;
      continue;
    }
    json::value value = evaluate(node.pipeline, dot);
    if (node.kind == Node::Kind::value) {
      out += plain(value);
    } else if (node.kind == Node::Kind::condition) {
      expand_into(truth(value) ? node.then : node.otherwise, dot, out);
    } else if (!value.is_array() || value.as_array().empty()) {
      expand_into(node.otherwise, dot, out);
    } else {
      for (const auto& item : value.as_array()) expand_into(node.then, item, out);
    }
  }
}

std::string heading(const Operand& o) {
  // As docker names these columns.
  static const std::map<std::string, std::string> kNames = {{"ID", "CONTAINER ID"},
                                                            {"RunningFor", "CREATED"},
                                                            {"CPUPerc", "CPU %"},
                                                            {"MemPerc", "MEM %"},
                                                            {"MemUsage", "MEM USAGE / LIMIT"},
                                                            {"NetIO", "NET I/O"},
                                                            {"BlockIO", "BLOCK I/O"},
                                                            {"CreatedAt", "CREATED AT"},
                                                            {"LocalVolumes", "LOCAL VOLUMES"},
                                                            {"ExitCode", "EXIT CODE"}};
  if (o.path.empty()) return "";
  auto known = kNames.find(o.path.front());
  return known == kNames.end() ? changed(o.path.front(), &std::toupper) : known->second;
}

}  // namespace

Template::Template(const std::string& text) : nodes_(Parser(text).all()) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::expand(const json::object& row) const {
  std::string out;
  expand_into(nodes_, json::value(row), out);
  return out;
}

std::string Template::header() const {
  std::string out;
  for (const Node& node : nodes_) {
    if (node.kind == Node::Kind::text) out += node.text;
    if (node.kind != Node::Kind::value) continue;
    for (const Command& command : node.pipeline) {
      for (const Operand& o : command) {
        if (o.kind == Operand::Kind::field) out += heading(o);
      }
    }
  }
  return out;
}

std::string format_rows(const std::string& format, const std::vector<json::object>& rows) {
  bool table = format.starts_with("table ");
  Template shape(table ? format.substr(6) : format);
  if (!table) {
    std::string out;
    for (const auto& row : rows) out += shape.expand(row) + "\n";
    return out;
  }
  auto cells = [](const std::string& line) {
    std::vector<std::string> out(1);
    for (char c : line) {
      if (c == '\t') {
        out.emplace_back();
      } else {
        out.back() += c;
      }
    }
    return out;
  };
  std::vector<std::vector<std::string>> lines = {cells(shape.header())};
  for (const auto& row : rows) lines.push_back(cells(shape.expand(row)));
  return format_table(lines);
}

}  // namespace pcompose::cli
