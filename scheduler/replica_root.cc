// A root where overlayfs does not take the file system of our state to write to: a copy of the
// image, by reflink where that can.
#include <fcntl.h>
#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/file_system.h"
#include "engine/merged_layers.h"
#include "engine/plan.h"
#include "scheduler/replica.h"
#include "volumes/copy_tree.h"

namespace pcompose::scheduler {
namespace {

constexpr const char* kCopy = "/root";
constexpr const char* kUnfinished = "/root.tmp";

void copy_image(const std::string& state, const engine::Root& root) {
  Fd directory = open_file(state, O_RDONLY | O_DIRECTORY);
  remove_tree(directory.get(), kUnfinished + 1);
  make_directories(state + kUnfinished);
  Fd to = open_file(state + kUnfinished, O_RDONLY | O_DIRECTORY);
  make_directories(state + "/empty");
  Fd from = engine::open_merged_layers(root.links, root.lower, state + "/empty");
  volumes::copy_tree(from.get(), to.get());
  if (::rename((state + kUnfinished).c_str(), (state + kCopy).c_str()) != 0)
    throw Error::from_errno("rename the copy of an image");
}

}  // namespace

// An earlier start found out.
bool Replica::has_copied_root() const { return std::filesystem::exists(state_directory() + kCopy); }

void Replica::use_copied_root() {
  bool readonly = spec_.root.readonly;
  spec_.root = {.path = state_directory() + kCopy, .readonly = readonly};
}

Task<> Replica::copy_root() {
  const std::string& state = context_.roots.state;
  std::string type = engine::file_system_of(state);
  spdlog::warn("{}: overlayfs refuses to write to {} ({}); the container gets a copy of its image",
               row_.name, state, type);
  try {
    LoopThread thread("copy");
    co_await thread.run([&] { copy_image(state_directory(), spec_.root); });
  } catch (Error& e) {
    throw e
        .add(fmt::format("overlayfs refuses to write to {} ({}), and the image is not copied",
                         state, type))
        .hint("set PCOMPOSE_ROOT to a directory on ext4, xfs, btrfs or tmpfs");
  }
  use_copied_root();
}

}  // namespace pcompose::scheduler
