// Where a container's files are: in an overlay on its image's layers or, where overlayfs does not
// take the file system of our state to write to, in what stands in for it.
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/memory_file.h"
#include "engine/file_system.h"
#include "engine/fuse_layers.h"
#include "engine/layer_copy.h"
#include "engine/merged_layers.h"
#include "engine/mount_points.h"
#include "engine/plan.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

using engine::Storage;

namespace {

constexpr const char* kCopy = "/root";
constexpr const char* kUnfinished = "/root.tmp";
constexpr std::chrono::seconds kPatience(10);

// Into the directory `state` + `name`.
void copy_image(const std::string& state, const std::string& name, const engine::Root& root,
                const engine::ContainerIds& ids = {}) {
  Fd directory = open_file(state, O_RDONLY | O_DIRECTORY);
  remove_tree(directory.get(), kUnfinished + 1);
  make_directories(state + kUnfinished);
  Fd to = open_file(state + kUnfinished, O_RDONLY | O_DIRECTORY);
  try {
    // With what it wrote while overlayfs still took it.
    engine::copy_layers(root, to.get(), ids);
  } catch (const Error&) {
    remove_tree(directory.get(), kUnfinished + 1);  // a full disk, say
    throw;
  }
  if (::rename((state + kUnfinished).c_str(), (state + name).c_str()) != 0)
    throw Error::from_errno("rename the copy of an image");
}

bool is_refusal(const engine::LaunchError& e) {
  return e.op() == launch::OpCode::overlay && engine::refuses_overlay(e.error_number());
}

}  // namespace

// What an earlier start found out or was told; a container that has written nothing yet is told by
// our environment.
engine::StorageChoice Replica::chosen_storage() const {
  namespace fs = std::filesystem;
  const std::string state = state_directory();
  if (auto choice = engine::read_storage(state)) return *choice;
  // Only the machine's root may have layers shown with other owners.
  if (has_own_users() && engine::rootless::in_user_namespace()) return {Storage::copy, ""};
  if (fs::exists(state + kCopy)) return {Storage::copy, ""};
  auto forced = engine::storage_from_environment();
  if (!forced || !fs::is_empty(state + "/upper")) return {};
  if (has_own_users() && forced == Storage::fuse_overlayfs) return {Storage::copy, ""};
  return {*forced, ""};
}

void Replica::choose_storage(Storage storage) {
  const std::string& state = context_.roots.state;
  storage_ = {storage,
              fmt::format("runs on {}, which is slow: overlayfs refuses to write to {} ({}); set "
                          "PCOMPOSE_ROOT to a directory on ext4, xfs, btrfs or tmpfs",
                          engine::storage_phrase(storage), state, engine::file_system_of(state))};
  spdlog::warn("{} {}", row_.name, storage_.reason);
}

Error Replica::refusal(const Error& e) const {
  const std::string& state = context_.roots.state;
  Error error = e;
  error.add(
      fmt::format("overlayfs refuses to write to {} ({})", state, engine::file_system_of(state)));
  return error.hint(
      "PCOMPOSE_STORAGE=overlay allows nothing else: unset it, or set PCOMPOSE_ROOT to "
      "a directory on ext4, xfs, btrfs or tmpfs");
}

// Runs `launch`, which calls make_root(); where overlayfs refuses, again with what stands in.
Task<> Replica::on_root(std::function<Task<>()> launch) {
  struct Given {
    Fd& tree;
    ~Given() { tree.reset(); }  // from here on it is the container's alone
  } given{root_tree_};
  storage_ = chosen_storage();
  bool refused = false;
  try {
    co_await launch();
  } catch (const engine::LaunchError& e) {
    refused = storage_.storage == Storage::overlay && is_refusal(e);
    if (!refused) throw;
    if (engine::storage_from_environment() == Storage::overlay) throw refusal(e);
  }
  if (!refused) co_return;
  bool served = !engine::fuse_program().empty() && !has_own_users();
  if (served) {
    choose_storage(Storage::fuse_overlayfs);
    try {
      co_await launch();
      co_return;
    } catch (const Error& e) {
      spdlog::warn("{}: {}", row_.name, e.what());
    }
  }
  choose_storage(Storage::copy);
  co_await launch();
}

// Each launch needs a root of its own: a mount goes with the child that had it.
Task<> Replica::make_root() {
  if (storage_.storage == Storage::fuse_overlayfs) co_await serve_root();
  // Each time: who cleans up caches may have been there since.
  if (storage_.storage == Storage::overlay) engine::make_mount_points(context_.roots.state);
  if (storage_.storage != Storage::copy) co_return;
  std::string path = state_directory() + kCopy;
  if (!std::filesystem::exists(path)) co_await copy_root();
  bool readonly = spec_.root.readonly;
  spec_.root = {.path = path, .readonly = readonly};
}

Task<> Replica::copy_root() {
  if (service_.storage_opt.contains("size")) {
    throw Error("storage_opt.size cannot be kept: the container gets a copy of its image")
        .at(service_.origin("storage_opt"));
  }
  try {
    if (!ids_.empty()) engine::write_ids(state_directory(), ids_);
    LoopThread thread("copy");
    co_await thread.run([&] { copy_image(state_directory(), kCopy, spec_.root, ids_); });
  } catch (Error& e) {
    throw e.add("copy the image")
        .hint("set PCOMPOSE_ROOT to a directory on ext4, xfs, btrfs or tmpfs with enough space");
  }
  engine::write_storage(state_directory(), storage_);
}

// Its layers as one tree to read, on a thread of its own. Where overlayfs refuses to write it may
// not understand the store's whiteouts either.
Fd Replica::open_image(const engine::Image& image) const {
  std::string links = context_.images->links_directory();
  if (storage_.storage == Storage::overlay) {
    std::string empty = state_directory() + "/empty";
    make_directories(empty);
    return engine::open_merged_layers(links, image.layers, empty);
  }
  std::string name = "/image-" + image.id.substr(image.id.find(':') + 1);
  engine::Root root;
  root.links = links;
  root.lower = image.layers;
  if (!std::filesystem::exists(state_directory() + name)) copy_image(state_directory(), name, root);
  return open_file(state_directory() + name, O_RDONLY | O_DIRECTORY);
}

// What the last one has not written out yet the next would not see.
Task<> Replica::await_root_server() {
  using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only
  if (!root_server_ || root_server_->ended.is_set()) co_return;
  co_await (root_server_->ended.wait() || sleep_for(kPatience));
}

Task<> Replica::serve_root() {
  std::string program = engine::fuse_program();
  if (program.empty()) {
    throw Error("fuse-overlayfs is not installed, or /dev/fuse cannot be opened")
        .hint("install fuse-overlayfs, or set PCOMPOSE_STORAGE to something else");
  }
  spec_.root.tree = -1;
  root_tree_.reset();
  co_await await_root_server();
  Fd messages = memory_file("messages");
  root_server_ = co_await launch_beside(engine::fuse_plan(program, spec_.root, messages.get()));
  try {
    LoopThread thread("fuse");
    root_tree_ = co_await thread.run([&] {
      return engine::take_fuse_mount(root_server_->pid, root_server_->pidfd, spec_.root.path);
    });
  } catch (Error& e) {
    std::string said = last_line(messages.get());
    throw e.add(said.empty() ? "fuse-overlayfs" : said);
  }
  spec_.root.tree = root_tree_.get();
  engine::write_storage(state_directory(), storage_);
}

}  // namespace pcompose::scheduler
