// The unit that brings a project up with the machine, as text (systemd.unit(5),
// systemd.service(5)).
#pragma once

#include <string>
#include <vector>

namespace pcompose::cli {

enum class Manager { system, user };

struct SystemdUnit {
  std::string project, program;  // program: the path of pcompose
  std::string working_directory;
  std::vector<std::string> files;  // the project's compose files
  std::string root;                // PCOMPOSE_ROOT; "" where it is the usual one
  Manager manager = Manager::system;
};

// "pcompose-shop.service"
std::string unit_name(const std::string& project);
// Type=notify, and ready once every container is healthy or runs: `up --wait` says so.
std::string unit_text(const SystemdUnit& unit);
// The target that wants it: multi-user.target, or a user's default.target.
std::string wanted_by(Manager manager);

// A word of a command line, quoted where systemd would see several, a specifier or a variable
// (systemd.service(5), "COMMAND LINES"; systemd.unit(5), "SPECIFIERS").
std::string quoted_word(const std::string& word);

}  // namespace pcompose::cli
