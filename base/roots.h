// Where state lives.
#pragma once

#include <string>

namespace pcompose {

// state: durable, survives a boot: /var/lib/pcompose, an ordinary user's $XDG_DATA_HOME/pcompose
// (~/.local/share). run: what a boot destroys, under the boot id: beneath /run, $XDG_RUNTIME_DIR,
// or /tmp/pcompose-UID where that is not set. tag: the name that kernel objects of this root carry
// ("pcompose", or "pcompose-1a2b3c" where PCOMPOSE_ROOT names another root).
struct Roots {
  std::string state;
  std::string run;
  std::string tag;
  bool rootless = false;  // an ordinary user's, also as seen from within its user namespace

  // Makes the directories (0700). Reads PCOMPOSE_ROOT, PCOMPOSE_ROOTLESS (the user's id, for who is
  // started in the user namespace), HOME and the XDG variables. Throws Error, also where a
  // directory in /tmp is somebody else's.
  static Roots from_environment();
  [[nodiscard]] std::string database() const { return state + "/state.db"; }
  // The project's directory in `run`; not made here.
  [[nodiscard]] std::string project_run(const std::string& project) const {
    return run + "/" + project;
  }
};

// mkdir -p with mode 0700 for what is new. Throws Error.
void make_directories(const std::string& path);

// The kernel's boot id, without the newline (proc_sys_kernel(5), random/boot_id).
std::string boot_id();

}  // namespace pcompose
