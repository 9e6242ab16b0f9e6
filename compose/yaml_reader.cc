#include "compose/yaml_reader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

constexpr size_t kMaxDepth = 200;
constexpr size_t kMaxAliasNodes = 100000;
// Some hundred bytes each. A thousand services have about thirty thousand.
constexpr size_t kMaxNodes = 250000;

[[noreturn]] void fail(const OriginPtr& origin, std::string message) {
  throw ComposeError(Diagnostic{position_of(origin), "", std::move(message)});
}

// The parser counts columns in bytes; people and editors count characters.
class Columns {
 public:
  explicit Columns(std::string_view text)
      : text_(text), plain_(std::ranges::all_of(text, [](char c) {
          return static_cast<unsigned char>(c) < 0x80;
        })) {}

  // Of a mark of the parser, from 1. Marks of one line that come in order cost its length once.
  int at(const YAML::Mark& mark) {
    if (plain_ || mark.pos < mark.column) return mark.column + 1;
    auto start = static_cast<size_t>(mark.pos - mark.column);
    auto end = std::min(static_cast<size_t>(mark.pos), text_.size());
    if (start != start_ || end < counted_) {
      start_ = counted_ = start;
      characters_ = 0;
    }
    for (; counted_ < end; ++counted_)
      characters_ += (static_cast<unsigned char>(text_[counted_]) & 0xc0U) == 0x80 ? 0 : 1;
    return characters_ + 1;
  }

 private:
  std::string_view text_;
  bool plain_;
  size_t start_ = 0, counted_ = 0;
  int characters_ = 0;
};

// Turns the parser's events into one Node. A frame is an open sequence or mapping.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const std::string> file, Columns& columns)
      : file_(std::move(file)), columns_(columns) {}

  std::optional<Node> take() { return std::move(root_); }

  // Where the last scalar begins; below zero where nothing quotes it.
  [[nodiscard]] int last_quoted() const { return last_quoted_; }
  [[nodiscard]] const OriginPtr& last_quoted_at() const { return last_quoted_at_; }
  [[nodiscard]] int start() const { return start_; }
  [[nodiscard]] const OriginPtr& started_at() const { return started_at_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    start_ = mark.pos;
    started_at_ = origin(mark);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.origin = origin(mark);
    node.plain = true;
    add(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make_string(value, origin(mark));
    // "?" is a plain scalar without a tag, "!" a quoted one; the text of !reset counts as plain.
    node.plain = tag == "?";
    last_quoted_ = node.plain ? -1 : mark.pos;
    if (!node.plain) last_quoted_at_ = node.origin;
    if (value.find('\0') != std::string::npos)
      fail(node.origin, "holds a NUL byte, which no program can be given; remove \\0");
    node.tag = merge_tag(tag);
    if (node.plain || node.tag != MergeTag::none) node.kind = plain_kind(value);
    if (tag.ends_with(":str")) node.kind = Kind::string;
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    OriginPtr place = origin(mark);
    auto it = anchors_.find(anchor);
    if (it == anchors_.end()) fail(place, "the alias stands inside the value that it refers to");
    Node copy = expand(it->second, place, frames_.size());
    add(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make_sequence(origin(mark)), tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make_mapping(origin(mark)), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    apply_merge_keys(frames_.back().node);
    close();
  }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::optional<Entry> key;                         // of the pair whose value comes next
    std::unordered_map<std::string, OriginPtr> seen;  // keys so far
  };

  [[nodiscard]] OriginPtr origin(const YAML::Mark& mark) {
    return std::make_shared<Origin>(
        Origin{file_, mark.line + 1, columns_.at(mark), Way::written, nullptr});
  }

  static MergeTag merge_tag(const std::string& tag) {
    if (tag == "!reset") return MergeTag::reset;
    return tag == "!override" ? MergeTag::replace : MergeTag::none;
  }

  void open(Node node, const std::string& tag, YAML::anchor_t anchor) {
    node.tag = merge_tag(tag);
    if (frames_.size() >= kMaxDepth) {
      fail(node.origin, fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    if (!frames_.empty() && frames_.back().node.is(Kind::mapping) && !frames_.back().key) {
      fail(node.origin, fmt::format("a key must be a string, this is {}", kind_name(node.kind)));
    }
    // Most have some; an entry is large and dear to move.
    if (node.is(Kind::mapping)) node.entries.reserve(8);
    frames_.push_back({std::move(node), anchor, std::nullopt, {}});
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    add(std::move(frame.node), frame.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes) fail(node.origin, fmt::format("more than {} values", kMaxNodes));
    if (anchor != 0) anchors_.insert_or_assign(anchor, node);
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is(Kind::sequence)) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      add_key(frame, std::move(node));
    } else {
      // An absent value is reported where the next token stands; its key is nearer to the point.
      if (node.is(Kind::null) && node.tag == MergeTag::none) node.origin = frame.key->origin;
      frame.key->value = std::move(node);
      frame.node.entries.push_back(std::move(*frame.key));
      frame.key.reset();
    }
  }

  static void add_key(Frame& frame, Node node) {
    if (!node.is(Kind::string)) {
      std::string shown = node.is(Kind::null) ? "null" : node.text;
      fail(node.origin, fmt::format("a key must be a string, {} is {}; put it in quotes", shown,
                                    kind_name(node.kind)));
    }
    if (auto [it, fresh] = frame.seen.emplace(node.text, node.origin); !fresh) {
      fail(node.origin, fmt::format("key \"{}\" is already defined at {}; remove one of the two",
                                    node.text, position_of(it->second).str()));
    }
    frame.key = Entry{std::move(node.text), std::move(node.origin), {}};
  }

  // A copy whose origins remember the alias.
  Node expand(const Node& node, const OriginPtr& alias, size_t depth) {
    if (++alias_nodes_ > kMaxAliasNodes) {
      fail(alias, fmt::format("the aliases expand to more than {} values", kMaxAliasNodes));
    }
    if (depth >= kMaxDepth) fail(alias, fmt::format("nested deeper than {} levels", kMaxDepth));
    Node copy;
    copy.kind = node.kind;
    copy.tag = node.tag;
    copy.plain = node.plain;
    copy.text = node.text;
    copy.origin = reached(node.origin, Way::alias, alias);
    for (const Node& item : node.items) copy.items.push_back(expand(item, alias, depth + 1));
    for (const Entry& entry : node.entries) {
      copy.entries.push_back({entry.key, reached(entry.origin, Way::alias, alias),
                              expand(entry.value, alias, depth + 1)});
    }
    return copy;
  }

  // Explicit keys win over merged ones, an earlier mapping of a list over a later one.
  static void apply_merge_keys(Node& mapping) {
    const Entry* merge = mapping.find_entry("<<");
    if (merge == nullptr) return;
    Node source = merge->value;
    mapping.erase("<<");
    if (source.is(Kind::mapping)) return merge_into(mapping, source);
    if (!source.is(Kind::sequence)) {
      fail(source.origin,
           fmt::format("<< takes a mapping or a list of mappings, not {}", kind_name(source.kind)));
    }
    for (const Node& item : source.items) {
      if (!item.is(Kind::mapping)) {
        fail(item.origin,
             fmt::format("<< takes a mapping or a list of mappings, not {}", kind_name(item.kind)));
      }
      merge_into(mapping, item);
    }
  }

  static void merge_into(Node& mapping, const Node& source) {
    std::unordered_map<std::string_view, bool> present;
    for (const Entry& entry : mapping.entries) present.emplace(entry.key, true);
    std::vector<Entry> added;
    for (const Entry& entry : source.entries) {
      if (!present.contains(entry.key)) added.push_back(entry);
    }
    for (Entry& entry : added) mapping.entries.push_back(std::move(entry));
  }

  std::shared_ptr<const std::string> file_;
  Columns& columns_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> root_;
  size_t alias_nodes_ = 0;
  size_t nodes_ = 0;
  int start_ = -1;
  OriginPtr started_at_;
  int last_quoted_ = -1;
  OriginPtr last_quoted_at_;
};

// The size of the UTF-8 sequence that `rest` begins with, 0 where it is none (RFC 3629, section 4).
size_t utf8_size(std::string_view rest) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(rest[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return first == 0 ? 0 : 1;
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || rest.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  }
  bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  bool outside = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || outside ? 0 : size;
}

// The parser knows it by its byte order mark.
bool is_utf16(std::string_view text) {
  return text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
}

// The YAML parser replaces what is no UTF-8, and the user would find another text in the container.
void check_encoding(std::string_view text, const std::shared_ptr<const std::string>& file) {
  if (is_utf16(text)) return;
  int line = 1, column = 1;
  for (size_t i = 0; i < text.size();) {
    size_t size = utf8_size(text.substr(i));
    if (size == 0) {
      auto place = std::make_shared<Origin>(Origin{file, line, column, Way::written, nullptr});
      fail(place, fmt::format("the byte 0x{:02x} is no UTF-8 text; save the file as UTF-8",
                              static_cast<unsigned char>(text[i])));
    }
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n' ? 1 : 0;
    i += size;
  }
}

// The parser's message names no anchor; the text at the mark does.
std::string alias_at(std::string_view text, const YAML::Mark& mark) {
  size_t start = static_cast<size_t>(mark.pos < 0 ? 0 : mark.pos);
  if (start >= text.size()) return "";
  std::string_view rest = text.substr(start, 100);
  size_t star = rest.find('*');
  if (star == std::string_view::npos) return "";
  rest.remove_prefix(star + 1);
  return std::string(rest.substr(0, rest.find_first_of(" \t\r\n,]}")));
}

// What the parser says is about its grammar. These are the words that docker compose has for it,
// and what usually is the matter.
struct Wording {
  std::string_view parser, words, cure;
};
constexpr std::string_view kIndentation =
    "; is a space missing after a ':' or '-', or does the indentation differ from the lines above?";
constexpr std::string_view kQuote = "; is a closing quote missing?";
constexpr Wording kWordings[] = {
    {"illegal map value", "mapping values are not allowed in this context", kIndentation},
    {"illegal map key", "mapping keys are not allowed in this context", kIndentation},
    {"illegal block entry", "block sequence entries are not allowed in this context", kIndentation},
    {"end of map not found", "did not find expected key", kIndentation},
    {"end of sequence not found", "did not find expected '-' indicator", kIndentation},
    {"end of map flow not found", "did not find expected ',' or '}'", ""},
    {"end of sequence flow not found", "did not find expected ',' or ']'", ""},
    {"illegal EOF in scalar", "found unexpected end of stream", kQuote},
    {"illegal document indicator in scalar", "found unexpected document indicator", kQuote},
};

const Wording* wording_of(const std::string& message) {
  const auto* found = std::ranges::find(kWordings, std::string_view(message), &Wording::parser);
  return found == std::end(kWordings) ? nullptr : found;
}

// The parser takes the end of the text for a closing quote. `at` is where a scalar begins.
bool is_unclosed(std::string_view text, size_t at) {
  constexpr std::string_view kSpace = " \t\r\n";
  while (at < text.size() && (text[at] == '&' || text[at] == '!'))
    at = text.find_first_not_of(kSpace, text.find_first_of(kSpace, at));
  if (at >= text.size() || (text[at] != '\'' && text[at] != '"')) return false;
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    bool escapes = quote == '"' ? text[at] == '\\' : text.substr(at, 2) == "''";
    if (escapes) {
      ++at;
    } else if (text[at] == quote) {
      return false;
    }
  }
  return true;
}

[[noreturn]] void fail_syntax(const YAML::ParserException& e, std::string_view text,
                              Columns& columns, const std::shared_ptr<const std::string>& file) {
  int line = e.mark.line + 1;
  auto place =
      std::make_shared<Origin>(Origin{file, line, columns.at(e.mark), Way::written, nullptr});
  std::string message = e.msg;
  std::string cure;
  if (const Wording* wording = wording_of(e.msg)) {
    message = wording->words;
    cure = wording->cure;
  } else if (message.find("anchor is not defined") != std::string::npos) {
    message = fmt::format("unknown anchor \"{}\"", alias_at(text, e.mark));
    cure = "; define it above with &, or quote a text that begins with *";
  } else if (message.find("tab") != std::string::npos) {
    cure = "; indent with spaces";
  }
  fail(place, fmt::format("YAML syntax error in line {}: {}{}", line, message, cure));
}

}  // namespace

std::vector<Node> read_yaml(std::string_view text, const std::string& shown_as) {
  auto file = std::make_shared<const std::string>(shown_as);
  std::vector<Node> documents;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the byte order mark
  check_encoding(text, file);
  Columns columns(is_utf16(text) ? "" : text);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    int last_start = -1;
    while (true) {
      TreeBuilder builder(file, columns);
      if (!parser.HandleNextDocument(builder)) break;
      // At a stray "," or "}" the parser delivers empty documents for ever without moving on.
      if (builder.start() == last_start)
        fail(builder.started_at(), "YAML syntax error: this belongs to nothing");
      last_start = builder.start();
      if (!is_utf16(text) && builder.last_quoted() >= 0 &&
          is_unclosed(text, static_cast<size_t>(builder.last_quoted()))) {
        fail(builder.last_quoted_at(),
             fmt::format("YAML syntax error: found unexpected end of stream{}", kQuote));
      }
      auto root = builder.take();
      if (!root || root->is(Kind::null)) continue;
      if (!root->is(Kind::mapping)) {
        fail(root->origin, fmt::format("the top level must be a mapping (services: …), not {}",
                                       kind_name(root->kind)));
      }
      documents.push_back(std::move(*root));
    }
  } catch (const YAML::ParserException& e) {
    fail_syntax(e, text, columns, file);
  }
  return documents;
}

}  // namespace pcompose::compose
