#include "cli/systemd_unit.h"

#include <fmt/format.h>

namespace pcompose::cli {
namespace {

// Where specifiers count and variables do not: paths of [Unit] and Environment=.
std::string without_specifiers(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '%' ? "%%" : std::string(1, c);
  return out;
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string command(const SystemdUnit& unit, const std::string& words) {
  std::string out = quoted_word(unit.program) + " -p " + quoted_word(unit.project);
  out += " --project-directory " + quoted_word(unit.working_directory);
  for (const std::string& file : unit.files) out += " -f " + quoted_word(file);
  return out + " " + words;
}

}  // namespace

std::string quoted_word(const std::string& word) {
  std::string out;
  for (char c : without_specifiers(word)) out += c == '$' ? "$$" : std::string(1, c);
  bool plain = !out.empty() && out.find_first_of(" \t\n\"'\\;") == std::string::npos;
  return plain ? out : in_quotes(out);
}

std::string unit_name(const std::string& project) { return "pcompose-" + project + ".service"; }

std::string wanted_by(Manager manager) {
  return manager == Manager::system ? "multi-user.target" : "default.target";
}

std::string unit_text(const SystemdUnit& unit) {
  std::string out = fmt::format("[Unit]\nDescription=pcompose project {}\n", unit.project);
  // A user's manager has no network-online.target.
  if (unit.manager == Manager::system)
    out += "Wants=network-online.target\nAfter=network-online.target\n";
  out += "RequiresMountsFor=" + in_quotes(without_specifiers(unit.working_directory)) + "\n\n";
  out += "[Service]\nType=notify\nNotifyAccess=main\n";
  // The command ends; the keeper goes on, in a scope of its own.
  out += "RemainAfterExit=yes\n";
  // Images may have to be pulled; health checks have limits of their own.
  out += "TimeoutStartSec=infinity\n";
  if (!unit.root.empty())
    out += "Environment=" + in_quotes(without_specifiers("PCOMPOSE_ROOT=" + unit.root)) + "\n";
  out += "ExecStart=" + command(unit, "up --wait") + "\n";
  out += "ExecReload=" + command(unit, "up --wait") + "\n";
  // By name: the files may be gone by then. Each container has its own grace period.
  out += "ExecStop=" + quoted_word(unit.program) + " -p " + quoted_word(unit.project) + " stop\n";
  out += "TimeoutStopSec=infinity\n\n";
  return out + "[Install]\nWantedBy=" + wanted_by(unit.manager) + "\n";
}

}  // namespace pcompose::cli
