#include "base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace pcompose {

std::string Position::str() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Error::Error(std::string what, int error_number) : message_(std::move(what)), errno_(error_number) {
  if (errno_ != 0) message_ += ": " + std::generic_category().message(errno_);
  render();
}

Error Error::from_errno(std::string what) {
  int number = errno;
  return Error(std::move(what), number);
}

Error& Error::add(const std::string& frame) {
  message_.insert(0, frame + ": ");
  render();
  return *this;
}

Error& Error::at(Position position) {
  if (!position_.known()) position_ = std::move(position);
  render();
  return *this;
}

Error& Error::hint(std::string text) {
  hint_ = std::move(text);
  render();
  return *this;
}

Error& Error::exit_code(int code) {
  exit_code_ = code;
  return *this;
}

void Error::render() {
  text_ = position_.known() ? position_.str() + ": " + message_ : message_;
  if (!hint_.empty()) text_ += " (" + hint_ + ")";
}

std::string Diagnostic::str() const {
  std::string text = position.known() ? position.str() + ": " : "";
  if (severity == Severity::warning) text += "warning: ";
  if (!path.empty()) text += path + ": ";
  text += message;
  for (const Step& step : via) text += "\n    " + step.how + " " + step.position.str();
  return text;
}

ComposeError::ComposeError(std::vector<Diagnostic> diagnostics)
    : diagnostics_(std::move(diagnostics)) {
  for (const Diagnostic& d : diagnostics_) text_ += (text_.empty() ? "" : "\n") + d.str();
}

ComposeError::ComposeError(Diagnostic diagnostic)
    : ComposeError(std::vector<Diagnostic>{std::move(diagnostic)}) {}

}  // namespace pcompose
