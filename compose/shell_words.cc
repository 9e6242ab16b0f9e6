#include "compose/shell_words.h"

namespace pcompose::compose {
namespace {

class Splitter {
 public:
  std::expected<ShellWords, std::string> run(std::string_view line) {
    for (size_t i = 0; i < line.size(); ++i) {
      char c = line[i];
      if (escaped_) {
        escape(c);
      } else if (quote_ != '\0') {
        inside_quotes(c);
      } else if (ends_command(c)) {
        out_.dropped = std::string(line.substr(i));
        break;
      } else if (auto error = outside_quotes(c); !error.empty()) {
        return std::unexpected(error);
      }
    }
    if (escaped_) return std::unexpected("the command ends in a backslash");
    if (quote_ != '\0')
      return std::unexpected(std::string("the command has an unclosed ") + quote_);
    finish_word();
    return std::move(out_);
  }

 private:
  static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  static bool ends_command(char c) {
    return c == ';' || c == '&' || c == '|' || c == '<' || c == '>';
  }

  void escape(char c) {
    word_ += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    in_word_ = true;
    escaped_ = false;
  }

  // Backquotes and $(…) stay in the word: they are for a shell that may come later.
  void inside_quotes(char c) {
    if (c == '\\' && quote_ != '\'') {
      escaped_ = true;
      return;
    }
    bool closes = c == quote_;
    if (!closes || quote_ == '`' || quote_ == ')') word_ += c;
    if (closes) quote_ = '\0';
  }

  std::string outside_quotes(char c) {
    if (c == '\\') {
      escaped_ = true;
    } else if (space(c)) {
      finish_word();
    } else if (c == '(') {
      if (!word_.ends_with('$')) return "the command has an unquoted parenthesis; quote it";
      word_ += c;
      quote_ = ')';
    } else if (c == ')') {
      return "the command has an unquoted parenthesis; quote it";
    } else {
      in_word_ = true;
      if (c == '"' || c == '\'' || c == '`') quote_ = c;
      if (c != '"' && c != '\'') word_ += c;
    }
    return "";
  }

  void finish_word() {
    if (in_word_) out_.words.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  ShellWords out_;
  std::string word_;
  bool in_word_ = false;
  bool escaped_ = false;
  char quote_ = '\0';
};

}  // namespace

std::expected<ShellWords, std::string> split_words(std::string_view line) {
  return Splitter().run(line);
}

}  // namespace pcompose::compose
