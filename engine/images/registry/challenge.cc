#include "engine/images/registry/challenge.h"

#include <algorithm>
#include <cctype>

namespace pcompose::engine {
namespace {

constexpr size_t kMaxChallenges = 16, kMaxParameters = 32;

// RFC 9110, 5.6.2.
bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  void skip(std::string_view characters) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
  }
  // Lower case; "" where there is none.
  std::string token() {
    size_t end = 0;
    while (end < rest_.size() && is_token_char(rest_[end])) ++end;
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(end);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A quoted string, or what stands there up to a comma or space: token68 and URLs without quotes
  // occur.
  std::string value() {
    std::string out;
    if (!take('"')) {
      size_t end = std::min(rest_.find_first_of(", \t"), rest_.size());
      out = rest_.substr(0, end);
      rest_.remove_prefix(end);
      return out;
    }
    while (!rest_.empty() && !take('"')) {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return out;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> out;
  Reader reader(header);
  for (;;) {
    reader.skip(" \t,");
    std::string name = reader.token();
    if (name.empty()) return out;
    reader.skip(" \t");
    if (!reader.take('=')) {
      if (out.size() == kMaxChallenges) return out;
      out.push_back({name, {}});
      continue;
    }
    reader.skip(" \t");
    std::string value = reader.value();
    if (out.empty() || out.back().parameters.size() == kMaxParameters) return out;
    out.back().parameters.emplace(std::move(name), std::move(value));
  }
}

}  // namespace pcompose::engine
