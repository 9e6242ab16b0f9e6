// Where state lives.
#pragma once

#include <string>

namespace pcompose {

// state: durable, survives a boot. run: what a boot destroys, under the boot id. tag: the name that
// kernel objects of this root carry ("pcompose", or "pcompose-1a2b3c" where PCOMPOSE_ROOT names
// another root).
struct Roots {
  std::string state;
  std::string run;
  std::string tag;

  // Makes the directories (0700). Reads PCOMPOSE_ROOT. Throws Error.
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
