#include "engine/merged_layers.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace pcompose::engine {

Fd open_merged_layers(const std::string& links, const std::vector<std::string>& lower,
                      const std::string& empty) {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) throw Error::from_errno("unshare mounts");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    throw Error::from_errno("make mounts our own");
  // The layers' short names are relative to it.
  if (::chdir(links.c_str()) != 0) throw Error::from_errno("enter " + links);
  // One directory alone is no overlay; an empty one below changes nothing.
  std::string options = fmt::format("lowerdir={}:{}", fmt::join(lower, ":"), empty);
  if (::mount("overlay", empty.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0)
    throw Error::from_errno("mount overlay " + options);
  return open_file(empty, O_RDONLY | O_DIRECTORY);
}

Fd open_writable_layers(const std::string& links, const std::vector<std::string>& lower,
                        const std::string& upper, const std::string& work) {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) throw Error::from_errno("unshare mounts");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    throw Error::from_errno("make mounts our own");
  Fd before = open_file(".", O_PATH | O_DIRECTORY);
  if (::chdir(links.c_str()) != 0) throw Error::from_errno("enter " + links);
  std::string options =
      fmt::format("lowerdir={},upperdir={},workdir={}", fmt::join(lower, ":"), upper, work);
  if (::mount("overlay", upper.c_str(), "overlay", 0, options.c_str()) != 0)
    throw Error::from_errno("mount overlay " + options);
  Fd root = open_file(upper, O_PATH | O_DIRECTORY);
  if (::fchdir(before.get()) != 0) throw Error::from_errno("go back to the working directory");
  return root;
}

}  // namespace pcompose::engine
