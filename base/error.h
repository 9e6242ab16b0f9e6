// Errors: where in the user's files, what failed on which object, and the cure.
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace pcompose {

// A place in a file of the user. Line and column count from 1; line 0 means "the file as a whole".
struct Position {
  std::string file;
  int line = 0;
  int column = 0;

  [[nodiscard]] bool known() const { return !file.empty(); }
  // "compose.yaml:12:9", "compose.yaml" where the line is unknown, "" where nothing is.
  [[nodiscard]] std::string str() const;
  friend bool operator==(const Position&, const Position&) = default;
};

// Something failed on an object. The text grows outward by add() while it unwinds:
//   compose.yaml:4:5: start web: mount overlay on /merged: No space left on device (hint: …)
class Error : public std::exception {
 public:
  explicit Error(std::string what, int error_number = 0);
  // Takes errno at the call.
  static Error from_errno(std::string what);

  Error& add(const std::string& frame);  // context, put in front
  Error& at(Position position);          // the innermost known position stays
  Error& hint(std::string text);         // the cure
  Error& exit_code(int code);

  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  [[nodiscard]] int error_number() const { return errno_; }
  [[nodiscard]] int exit_code() const { return exit_code_; }
  [[nodiscard]] const Position& position() const { return position_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }

 private:
  void render();

  std::string message_;
  std::string hint_;
  std::string text_;
  Position position_;
  int errno_ = 0;
  int exit_code_ = 1;
};

enum class Severity { error, warning };

// How a place was reached from another one.
struct Step {
  std::string how;  // "extended at", "included at"
  Position position;
};

// One remark about the user's files.
struct Diagnostic {
  Position position;
  std::string path;     // services.web.ports[0]; may be empty
  std::string message;  // what, and what would be right
  Severity severity = Severity::error;
  std::vector<Step> via = {};  // what led to the place, the nearest first

  // "compose.yaml:12:9: services.web.ports[0]: what, and what would be right", and a line for each
  // step that led there.
  [[nodiscard]] std::string str() const;
};

// Everything that is wrong with the user's files, at once. what() is one diagnostic a line.
class ComposeError : public std::exception {
 public:
  explicit ComposeError(std::vector<Diagnostic> diagnostics);
  explicit ComposeError(Diagnostic diagnostic);
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
  std::string text_;
};

}  // namespace pcompose
