// kill -9 of client, supervisor and keeper at random moments of up, down, restart and scale, on a
// stack with one of everything. PCOMPOSE_CHAOS=300 rounds for the long check; a run tells its seed,
// PCOMPOSE_CHAOS_SEED repeats it.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kRounds = 30;

// Twelve services. The printer numbers its lines from one in every life, under a name that no other
// life has, and notes in a file how far it came: a line that is noted was printed.
constexpr const char* kStack = R"(x-quick: &quick {interval: 1s, retries: 5, start_period: 10s}
services:
  db:
    image: busybox
    command: sh -c 'sleep 0.05; touch /tmp/ready; exec sleep 1000'
    healthcheck: {<<: *quick, test: [CMD, test, -e, /tmp/ready]}
    volumes: [data:/data]
    networks: [back]
  cache:
    image: busybox
    command: sh -c 'touch /tmp/ready; exec sleep 1000'
    healthcheck: {<<: *quick, test: [CMD, test, -e, /tmp/ready]}
    networks: [back]
  migrate:
    image: busybox
    command: sh -c 'echo x >> /data/migrated; echo migrated'
    volumes: [data:/data]
    depends_on: {db: {condition: service_healthy}}
    networks: [back]
  api:
    image: busybox
    command: sh -c 'nslookup db && touch /tmp/ready; exec sleep 1000'
    healthcheck: {<<: *quick, test: [CMD, test, -e, /tmp/ready]}
    depends_on:
      migrate: {condition: service_completed_successfully}
      cache: {condition: service_healthy}
    networks: [back, front]
  sidecar:
    image: busybox
    command: sleep 1000
    network_mode: service:api
  inspector:
    image: busybox
    command: sleep 1000
    pid: service:api
    ipc: service:shared
    networks: [back]
    depends_on: [shared]
  shared:
    image: busybox
    command: sleep 1000
    ipc: shareable
    networks: [back]
  web:
    image: busybox
    command: sleep 1000
    depends_on: {api: {condition: service_healthy, restart: true}}
    networks: [front]
    ports: ["127.0.0.1:18080:80"]
  worker:
    image: busybox
    command: sleep 1000
    depends_on: {cache: {condition: service_started}}
    networks: [back]
  printer:
    image: busybox
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        life=$$(cat /proc/sys/kernel/random/uuid); n=0
        while :; do
          for i in 1 2 3 4 5 6 7 8 9 10; do n=$$((n+1)); echo $$life $$n; done
          echo $$n > /out/$$life; sleep 0.01
        done
    volumes: [./out:/out]
    networks: [front]
  flaky:
    image: busybox
    command: sh -c 'sleep 0.4; exit 1'
    restart: always
    networks: [front]
  quiet:
    image: busybox
    command: sleep 1000
    network_mode: none
networks: {front: {}, back: {}}
volumes: {data: {}}
)";

// Lives of the printer, and how far the log shows each.
using Lives = std::map<std::string, long>;

class ChaosTest : public StackTest {
 protected:
  ChaosTest() {
    const char* seed = std::getenv("PCOMPOSE_CHAOS_SEED");
    seed_ = seed == nullptr ? 1 : static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
    random_.seed(seed_);
  }

  void SetUp() override {
    StackTest::SetUp();
    if (IsSkipped()) return;
    ::setenv("PCOMPOSE_LOG_MAX_BYTES", "1000000000", 1);
    write("out/.keep", "");
    compose(kStack);
    empty_ = take_census(root());
  }

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  std::vector<std::string> random_command() {
    switch (pick(5)) {
      case 0:
        return {"down", "-t", "1"};
      case 1:
        return {"restart", "-t", "1"};
      case 2:
        workers_ = 1 + pick(4);
        return {"scale", "worker=" + std::to_string(workers_)};
      case 3:
        return {"up", "-d", "-t", "1", "--force-recreate", "--scale", scale()};
      default:
        return {"up", "-d", "--wait", "--scale", scale()};
    }
  }

  std::string scale() { return "worker=" + std::to_string(workers_); }

  // Sometimes two at once: then nobody is left who would start the other.
  std::string random_victims(Child& client) {
    static constexpr const char* kNames[] = {"client", "supervisor", "keeper",
                                             "keeper and supervisor"};
    int kind = pick(10);
    int victims = kind < 3 ? 0 : kind < 6 ? 1 : kind < 9 ? 2 : 3;
    if (victims == 0) client.pidfd().send_signal(SIGKILL);
    pid_t k = victims >= 2 ? keeper() : 0, s = victims % 2 == 1 ? supervisor() : 0;
    for (pid_t pid : {k, s}) {
      if (pid != 0) kill_if_there(pid);
    }
    return kNames[victims];
  }

  static void kill_if_there(pid_t pid) {
    try {
      Pidfd::open(pid).send_signal(SIGKILL);
    } catch (const Error&) {
      return;  // ended between look and kill
    }
  }

  // Each line of each life once, in order, without a gap.
  Lives printed() {
    Lives lives;
    for (const std::string& line : lines("printer")) {
      size_t space = line.find(' ');
      std::string life = line.substr(0, space);
      long number = std::strtol(line.c_str() + space + 1, nullptr, 10);
      EXPECT_EQ(number, lives[life] + 1) << "after a kill of " << killed_ << ": " << line;
      lives[life] = number;
    }
    return lives;
  }

  // What was noted before the look has to be in the log. Where nobody lived who could read it, the
  // last words of a life that ended then are lost with the pipe.
  void expect_no_line_lost() {
    Lives noted;
    for (const auto& entry : fs::directory_iterator(file("out"))) {
      std::string life = entry.path().filename();
      std::string text = read_file(entry.path());
      if (life != ".keep" && !text.empty()) noted[life] = std::stol(text);
    }
    Lives logged;
    auto complete = [&] {
      logged = printed();
      return std::ranges::all_of(logged, [&](const auto& life) {
        return life.second >= noted[life.first] || orphaned_.contains(life.first);
      });
    };
    EXPECT_TRUE(eventually(complete, seconds(5))) << "after a kill of " << killed_;
    if (killed_ == "keeper and supervisor") {
      for (const auto& [life, number] : noted) orphaned_.insert(life);
    }
  }

  // What every process of the stack waits for.
  static std::string processes() {
    std::string out;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc", gone)) {
      std::error_code ended;
      auto program = fs::read_symlink(entry.path() / "exe", ended).filename().string();
      if (ended || (program != "busybox" && !program.starts_with("pcompose"))) continue;
      try {
        out += fmt::format("{} in {}: {}", program, read_file(entry.path() / "wchan"),
                           read_file(entry.path() / "stat"));
      } catch (const Error&) {
        continue;  // ended meanwhile
      }
    }
    return out;
  }

  void expect_converged() {
    Result up = pcompose({"up", "-d", "--wait", "--wait-timeout", "30", "--scale", scale()});
    ASSERT_EQ(up.code, 0) << "after a kill of " << killed_ << ":\n"
                          << up.out << up.err << pcompose({"logs", "-t", "api", "db"}).out
                          << read_file(file("client.err")) << processes()
                          << pcompose({"ps", "--format", "json"}).out << pcompose({"ps", "-a"}).out
                          << pcompose({"events", "--since", "20s", "--until", "0s"}).out;
    auto rows = ps();
    for (const char* service : {"db", "cache", "api", "sidecar", "inspector", "shared", "web",
                                "worker", "printer", "quiet"})
      EXPECT_EQ(rows[service]["State"].as_string(), "running") << service;
    for (const char* service : {"db", "cache", "api"})
      EXPECT_EQ(rows[service]["Health"].as_string(), "healthy") << service;
    EXPECT_EQ(rows["migrate"]["State"].as_string(), "exited");
    EXPECT_EQ(rows["migrate"]["ExitCode"].as_int64(), 0);
    EXPECT_EQ(expect(0, {"ps", "-q", "worker"}).out.size(), static_cast<size_t>(workers_) * 65);
    // It may just wait for as long as the policy waits at most.
    EXPECT_TRUE(eventually([&] { return state("flaky") == "running"; }, seconds(70)));
    EXPECT_EQ(expect(0, {"exec", "-T", "web", "nslookup", "api"}).code, 0);
    EXPECT_EQ(expect(0, {"exec", "-T", "sidecar", "nslookup", "db"}).code, 0);
  }

  void round(int number) {
    auto command = random_command();
    killed_ = "nobody";
    std::string text = command.front();
    Child client = start_pcompose(command, "client");
    auto delay = milliseconds(pick(pick(2) == 0 ? 60 : 600));
    ::usleep(static_cast<useconds_t>(std::chrono::microseconds(delay).count()));
    killed_ = random_victims(client);
    SCOPED_TRACE(fmt::format("round {} of seed {}: {} killed {} after {} ms", number, seed_, text,
                             killed_, delay.count()));
    std::cout << "killed " << killed_ << " " << delay.count() << " ms into " << text << std::endl;
    ASSERT_TRUE(eventually([&] { return client.pidfd().ended(); }, seconds(60)));
    int code = client.wait().code();
    bool alone = killed_ == "supervisor";
    if (alone) EXPECT_EQ(code, 0) << read_file(file("client.err"));
    expect_converged();
    if (HasFatalFailure()) return;
    expect_no_line_lost();
    if (pick(5) != 0) return;
    expect(0, {"down", "-v", "-t", "1"});
    EXPECT_EQ(difference_from(empty_, root()), "");
  }

  std::mt19937 random_;
  unsigned seed_ = 0;
  int workers_ = 1;
  std::string killed_;
  std::set<std::string> orphaned_;  // lives that nobody may have read to the end
  Census empty_;
};

TEST_F(ChaosTest, ItConvergesWhoeverIsKilledWhenever) {
  const char* many = std::getenv("PCOMPOSE_CHAOS");
  int rounds = many == nullptr ? kRounds : std::atoi(many);
  std::cout << "seed " << seed_ << ", " << rounds << " rounds" << std::endl;
  expect(0, {"up", "-d", "--wait"});
  for (int i = 0; i < rounds && !HasFailure(); ++i) round(i);
  ::unsetenv("PCOMPOSE_LOG_MAX_BYTES");
}

}  // namespace
}  // namespace pcompose::test
