#include "volumes/grants.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

// From here on what this thread mounts is its own.
void leave_the_host() {
  if (::unshare(CLONE_NEWNS) != 0) throw Error::from_errno("a mount namespace for secrets");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    throw Error::from_errno("a private mount namespace for secrets");
}

class Scratch {
 public:
  explicit Scratch(const std::string& path) : path_(path) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (::mount("pcompose", path.c_str(), "ramfs", kFlags, "mode=0700") != 0)
      throw Error::from_errno("mount ramfs for secrets");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::umount2(path_.c_str(), MNT_DETACH); }

 private:
  const std::string& path_;
};

void write_file(const std::string& path, const GrantFile& file) {
  Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  write_all(fd.get(), file.content);
  if (::fchown(fd.get(), file.uid, file.gid) != 0 || ::fchmod(fd.get(), file.mode) != 0)
    throw Error::from_errno("owner and mode of a secret");
}

}  // namespace

Task<std::vector<Fd>> Grants::make(std::vector<GrantFile> files) {
  if (!thread_) {
    auto thread = std::make_unique<LoopThread>("grants");
    co_await thread->run([] {
      leave_the_host();
      return 0;
    });
    // Two may have begun at once: each has left the host, one is kept.
    if (!thread_) thread_ = std::move(thread);
  }
  co_return co_await thread_->run([this, files = std::move(files)] {
    Scratch scratch(directory_);
    std::vector<Fd> trees;
    for (size_t i = 0; i < files.size(); ++i) {
      std::string path = directory_ + "/" + std::to_string(i);
      write_file(path, files[i]);
      trees.push_back(mount_tree(path));
    }
    return trees;
  });
}

}  // namespace pcompose::volumes
