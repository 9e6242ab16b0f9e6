#include "tests/runtime/bundle_fixture.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/mount.h>
#include <thread>
#include <unistd.h>

#include "base/fd.h"
#include "engine/runtime/documents.h"
#include "tests/eventually.h"

namespace pcompose::engine::runtime {
namespace {

namespace fs = std::filesystem;

size_t lines_of(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

size_t entries(const std::string& path) {
  std::error_code error;
  fs::directory_iterator all(path, error);
  return error ? 0 : static_cast<size_t>(std::distance(all, fs::directory_iterator()));
}

// Their common parent may be there already, and goes with the last of them.
size_t groups_in(const std::string& parent, const std::string& name) {
  std::error_code error;
  fs::directory_iterator all(parent, error);
  auto counts = [&](const fs::directory_entry& entry) {
    return entry.is_directory() && (name.empty() || entry.path().filename() == name);
  };
  return error ? 0 : static_cast<size_t>(std::count_if(begin(all), end(all), counts));
}

void make_root(const std::string& root) {
  for (const char* d : {"bin", "proc", "sys", "dev", "etc", "tmp"})
    fs::create_directories(root + "/" + d);
  fs::copy_file("/bin/busybox", root + "/bin/busybox");
  for (const char* applet :
       {"sh", "cat", "echo", "id", "ls", "mount", "sleep", "stat", "true", "touch", "hostname",
        "grep", "tty", "test", "kill", "head", "readlink", "stty"})
    fs::create_symlink("busybox", root + "/bin/" + applet);
}

}  // namespace

void BundleTest::SetUpTestSuite() {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0) return;  // SetUp() says what is missing
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

void BundleTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ::signal(SIGPIPE, SIG_IGN);
  make_root(directory / "rootfs");
  config = json::parse(default_config(Rootless::no)).as_object();
  process()["terminal"] = false;
  before_ = leftovers();
}

void BundleTest::TearDown() {
  if (IsSkipped()) return;
  command({"list"});
  std::istringstream ids(command({"list", "-q"}).output);
  for (std::string id; ids >> id;) command({"delete", "-f", id});
  Leftovers now = leftovers();
  EXPECT_EQ(now.mounts, before_.mounts) << "mounts were left behind";
  EXPECT_EQ(now.groups, before_.groups) << "cgroups were left behind";
  EXPECT_EQ(now.descriptors, before_.descriptors) << "descriptors were left behind";
  EXPECT_EQ(now.states, 0U) << "states were left behind";
}

void BundleTest::write_config() {
  replace_file(directory / "config.json", json::serialize(config));
}

void BundleTest::set_args(const std::vector<std::string>& args) {
  process()["args"] = json::array(args.begin(), args.end());
}

void BundleTest::remove_mounts(const std::string& prefix) {
  json::array kept;
  for (json::value& mount : mounts()) {
    if (!mount.at("destination").as_string().starts_with(prefix)) kept.push_back(std::move(mount));
  }
  mounts() = std::move(kept);
}

Outcome BundleTest::command(std::vector<std::string> words) {
  Fd output(::memfd_create("output", MFD_CLOEXEC));
  Fd null = open_file("/dev/null", O_RDONLY);
  SpawnOptions options;
  options.argv = {RUNTIME, "--root", directory / "state"};
  options.argv.insert(options.argv.end(), words.begin(), words.end());
  options.environment = current_environment();
  options.directory = directory.path();
  options.fds = {{null.get(), 0}, {output.get(), 1}, {output.get(), 2}};
  Outcome outcome;
  outcome.code = spawn(options).wait().code();
  ::lseek(output.get(), 0, SEEK_SET);
  outcome.output = read_all(output.get());
  return outcome;
}

Outcome BundleTest::run(const std::string& line) {
  set_args({"sh", "-c", line});
  write_config();
  return command({"run", "c"});
}

json::object BundleTest::state(const std::string& id) {
  return json::parse(command({"state", id}).output).as_object();
}

void BundleTest::await_status(const std::string& id, const std::string& status) {
  EXPECT_TRUE(test::eventually([&] { return state(id).at("status").as_string() == status; }))
      << id << " does not become " << status;
}

void BundleTest::count_groups_of(const std::string& id) {
  counted_ = id;
  before_ = leftovers();
}

Leftovers BundleTest::leftovers() const {
  Leftovers all;
  all.mounts = lines_of(read_file("/proc/self/mountinfo"));
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup"))
    all.groups += groups_in(hierarchy.path().string() + "/pcompose-runtime", counted_);
  all.descriptors = entries("/proc/self/fd");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory / "state", error))
    all.states += entry.path().filename().string().starts_with('.') ? 0 : 1;
  return all;
}

}  // namespace pcompose::engine::runtime
