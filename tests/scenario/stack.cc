#include "tests/scenario/stack.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/fixture/busybox_image.h"
#include "tests/fixture/ordinary_user.h"

namespace pcompose::test {

namespace fs = std::filesystem;

std::string StackTest::root_;

namespace {

std::string make_directory(const char* pattern) {
  std::string name = pattern;
  if (::mkdtemp(name.data()) == nullptr) throw Error::from_errno("mkdtemp");
  fixture::give_to_user(name);
  return name;
}

bool holder_is_there() {
  std::error_code gone;
  for (const auto& entry : fs::recursive_directory_iterator("/run/user", gone)) {
    if (entry.path().filename() == "namespaces.sock") return true;
  }
  return false;
}

}  // namespace

void StackTest::SetUpTestSuite() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  fixture::enter_host_of_its_own();
  if (fixture::is_rootless()) fixture::make_user();
  root_ = make_directory("/var/tmp/pcompose-root-XXXXXX");
  ::setenv("PCOMPOSE_ROOT", root_.c_str(), 1);
  std::string layout = root_ + "/layout";
  fixture::make_busybox_layout(layout, R"({"Cmd":["sh"]})");
  Child load = spawn(
      {.argv = fixture::as_user({BIN "/pcompose", "image", "load", "--name", "busybox", layout}),
       .environment = current_environment(),
       .fds = {{0, 0}, {2, 1}, {2, 2}},
       .session = Session::same,
       .directory = ""});
  ASSERT_EQ(load.wait().code(), 0);
}

void StackTest::TearDownTestSuite() { fs::remove_all(root_); }

void StackTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  directory_ = make_directory("/var/tmp/pcompose-case-XXXXXX");
  if (fixture::is_rootless())
    eventually([] { return !holder_is_there(); });  // that of the test before
  before_ = take_census(root_);
}

void StackTest::TearDown() {
  if (directory_.empty()) return;
  if (fs::exists(file("compose.yaml")))
    pcompose({"--profile", "*", "down", "-v", "--remove-orphans", "-t", "0"});
  EXPECT_EQ(difference_from(before_, root_), "");
  if (HasFailure() && fs::exists(root_ + "/log")) {
    // What a supervisor of this project had to say.
    for (const auto& log : fs::directory_iterator(root_ + "/log")) {
      std::cerr << log.path().filename().string() << ":\n" << read_file(log.path()) << "\n";
    }
  }
  fs::remove_all(root_ + "/log");
  fs::remove_all(directory_);
}

void StackTest::give_to_user(const std::string& path) { fixture::give_to_user(path); }

void StackTest::write(const std::string& name, const std::string& text) {
  fs::create_directories(fs::path(file(name)).parent_path());
  std::ofstream(file(name)) << text;
  give_to_user(file(name));
  give_to_user(fs::path(file(name)).parent_path());
}

void StackTest::compose(const std::string& yaml) {
  // mkdtemp's letters are no project name.
  std::string name = "case" + std::to_string(std::hash<std::string>{}(directory_) % 1000000);
  write("compose.yaml", "name: " + name + "\n" + yaml);
}

Child StackTest::start_pcompose(std::vector<std::string> args, const std::string& name) {
  args.insert(args.begin(), BIN "/pcompose");
  Fd in = open_file(file(name + ".in"), O_RDONLY | O_CREAT, 0600);
  Fd out = open_file(file(name + ".out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  Fd err = open_file(file(name + ".err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  return spawn({.argv = fixture::as_user(std::move(args)),
                .environment = current_environment(),
                .fds = {{in.get(), 0}, {out.get(), 1}, {err.get(), 2}},
                .session = Session::same,
                .directory = directory_});
}

Result StackTest::pcompose(std::vector<std::string> args, const std::string& input) {
  write(".run.in", input);
  Child child = start_pcompose(std::move(args), ".run");
  bool ended = eventually([&] { return child.pidfd().ended(); }, std::chrono::seconds(60));
  if (!ended) child.pidfd().send_signal(SIGKILL);
  Result result;
  result.code = child.wait().code();
  result.out = read_file(file(".run.out"));
  result.err = read_file(file(".run.err"));
  return result;
}

Result StackTest::expect(int code, std::vector<std::string> args, const std::string& input) {
  Result result = pcompose(std::move(args), input);
  EXPECT_EQ(result.code, code) << result.out << result.err;
  return result;
}

std::map<std::string, json::object> StackTest::ps() {
  std::map<std::string, json::object> out;
  std::istringstream lines(pcompose({"ps", "-a", "--format", "json"}).out);
  for (std::string line; std::getline(lines, line);) {
    json::object row = json::parse(line).as_object();
    out[std::string(row.at("Service").as_string())] = row;
  }
  return out;
}

std::string StackTest::state(const std::string& service) {
  auto rows = ps();
  return rows.contains(service) ? std::string(rows[service].at("State").as_string()) : "";
}

std::string StackTest::health(const std::string& service) {
  auto rows = ps();
  return rows.contains(service) ? std::string(rows[service].at("Health").as_string()) : "";
}

std::vector<std::string> StackTest::lines(const std::string& service) {
  std::istringstream text(pcompose({"logs", "--no-log-prefix", service}).out);
  std::vector<std::string> out;
  for (std::string line; std::getline(text, line);) out.push_back(line);
  return out;
}

pid_t StackTest::process(const std::string& name, const std::string& root) {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    std::error_code ended;
    auto program = fs::read_symlink(entry.path() / "exe", ended);
    if (ended || program.filename() != name) continue;
    std::ifstream status(entry.path() / "environ");
    std::string environment((std::istreambuf_iterator<char>(status)), {});
    if (environment.find("PCOMPOSE_ROOT=" + root) == std::string::npos) continue;
    return static_cast<pid_t>(std::stoi(entry.path().filename().string()));
  }
  return 0;
}

Fd StackTest::network_of(const std::string& service) {
  std::string wanted = expect(0, {"exec", "-T", service, "readlink", "/proc/self/ns/net"}).out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code none;
    auto link = entry.path() / "ns/net";
    if (fs::read_symlink(link, none).string() + "\n" == wanted) return open_file(link, O_RDONLY);
  }
  throw Error("no process is in the namespace of " + service);
}

}  // namespace pcompose::test
