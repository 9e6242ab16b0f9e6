#include "tests/style/source_text.h"

#include <cctype>

namespace pcompose::style {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

namespace {

// Blanks [from, to), newlines apart.
void blank(std::string& text, size_t from, size_t to) {
  for (size_t i = from; i < to && i < text.size(); ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
}

// The place after a literal that opens at `at`.
size_t end_of_quoted(std::string_view text, size_t at) {
  char quote = text[at];
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote || text[i] == '\n') {
      return i + 1;
    }
  }
  return text.size();
}

size_t end_of_raw_string(std::string_view text, size_t quote) {
  size_t open = text.find('(', quote);
  if (open == std::string_view::npos) return text.size();
  std::string close = ")" + std::string(text.substr(quote + 1, open - quote - 1)) + "\"";
  size_t end = text.find(close, open);
  return end == std::string_view::npos ? text.size() : end + close.size();
}

// The place after what starts at `at`, or `at` where that is code.
size_t end_of_blank(std::string_view text, size_t at) {
  if (text.substr(at).starts_with("//")) return std::min(text.find('\n', at), text.size());
  if (text.substr(at).starts_with("/*")) {
    size_t end = text.find("*/", at + 2);
    return end == std::string_view::npos ? text.size() : end + 2;
  }
  if (text[at] == '"')
    return at > 0 && text[at - 1] == 'R' ? end_of_raw_string(text, at) : end_of_quoted(text, at);
  // 1'000 is no character literal.
  if (text[at] == '\'' && (at == 0 || !is_word(text[at - 1]))) return end_of_quoted(text, at);
  return at;
}

std::string trimmed(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space) out += c;
    if (space && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

bool starts_with_word(const std::string& text, std::string_view word) {
  return text.starts_with(word) && (text.size() == word.size() || !is_word(text[word.size()]));
}

enum class Block { scope, function, other };

Block classify(std::string head) {
  if (starts_with_word(head, "template")) {
    size_t close = head.find("> ");
    if (close != std::string::npos) head = head.substr(close + 2);
  }
  for (const char* word :
       {"namespace", "class", "struct", "enum", "union", "extern", "inline namespace"}) {
    if (starts_with_word(head, word)) return Block::scope;
  }
  bool call_like = head.find('(') != std::string::npos;
  return call_like && !head.ends_with('=') ? Block::function : Block::other;
}

class Scanner {
 public:
  std::vector<Function> run(const std::string& code) {
    bool directive = false;
    for (size_t i = 0; i < code.size(); ++i) {
      char c = code[i];
      bool line_start = i == 0 || code[i - 1] == '\n';
      if (line_start && !directive) directive = c == '#';
      if (c == '\n') {
        ++line_;
        if (i == 0 || code[i - 1] != '\\') directive = false;
      }
      if (!directive) take(c);
    }
    return std::move(found_);
  }

 private:
  void take(char c) {
    if (c == '(') ++parentheses_;
    if (c == ')') --parentheses_;
    bool plain = parentheses_ == 0 || !in_scope();
    if (plain && c == '{') return open();
    if (plain && c == '}') return close();
    if (plain && c == ';') {
      head_.clear();
    } else {
      head_ += c;
    }
    if (c == ':' && access_label()) head_.clear();
  }

  // Everything that is open is a namespace or a class.
  [[nodiscard]] bool in_scope() const { return stack_.empty() || stack_.back() == Block::scope; }
  [[nodiscard]] bool access_label() const {
    std::string head = trimmed(head_);
    return head == "public:" || head == "private:" || head == "protected:";
  }

  void open() {
    Block kind = in_scope() ? classify(trimmed(head_)) : Block::other;
    if (kind == Block::function) current_ = {trimmed(head_), line_, 0};
    stack_.push_back(kind);
    head_.clear();
  }

  void close() {
    head_.clear();
    if (stack_.empty()) return;
    if (stack_.back() == Block::function) {
      current_.lines = line_ - current_.line - 1;
      found_.push_back(current_);
    }
    stack_.pop_back();
  }

  std::vector<Function> found_;
  std::vector<Block> stack_;
  Function current_;
  std::string head_;
  int line_ = 1;
  int parentheses_ = 0;
};

}  // namespace

std::string code_only(std::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < text.size();) {
    size_t end = end_of_blank(text, i);
    blank(out, i, end);
    i = std::max(end, i + 1);
  }
  return out;
}

std::vector<Function> functions(std::string_view text) { return Scanner().run(code_only(text)); }

}  // namespace pcompose::style
