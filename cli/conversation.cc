#include "cli/conversation.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/terminal.h"

namespace pcompose::cli {
namespace {

using scheduler::AttachConnection;
using scheduler::AttachFrame;

constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};

// The signals that we pass on, as something to read, while it lives.
class Signals {
 public:
  explicit Signals(bool forward) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGWINCH);
    if (forward) {
      for (int signal : kForwarded) sigaddset(&wanted, signal);
    }
    sigprocmask(SIG_BLOCK, &wanted, &before_);
    descriptor_ = Fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!descriptor_) throw Error::from_errno("signalfd");
    // Who ends while we write to him is no reason for us to end.
    std::signal(SIGPIPE, SIG_IGN);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() {
    std::signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  [[nodiscard]] std::optional<int> next() const {
    signalfd_siginfo info{};
    if (::read(descriptor_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
  }

 private:
  sigset_t before_{};
  Fd descriptor_;
};

class Conversation {
 public:
  Conversation(const Globals& globals, const scheduler::ControlClient& client,
               const ConversationOptions& options)
      : client_(client),
        options_(options),
        progress_(globals),
        keys_(detach_keys(options.detach_keys)),
        reading_stdin_(options.stdin_open) {}

  int run() {
    connect();
    Signals signals(options_.forward_signals);
    while (!code_) {
      pollfd fds[4] = {{connection_->descriptor(), POLLIN, 0},
                       {signals.descriptor(), POLLIN, 0},
                       {wants_stdin() ? STDIN_FILENO : -1, POLLIN, 0},
                       {pending_.empty() ? -1 : input_.get(), POLLOUT, 0}};
      if (::poll(fds, 4, -1) < 0) continue;
      if (fds[1].revents != 0) pass_signal(signals.next());
      if (fds[2].revents != 0) read_stdin();
      if (fds[3].revents != 0) write_input();
      if (fds[0].revents != 0) read_frames();
    }
    return *code_;
  }

 private:
  void connect() {
    bool again = !container_.empty();
    connection_.emplace(client_, again ? "/v1/attach" : options_.target,
                        again ? json::object{{"container", container_}} : options_.request,
                        options_.start, options_.missing);
  }

  [[nodiscard]] bool wants_stdin() const { return reading_stdin_ && input_ && pending_.empty(); }

  void read_frames() {
    std::vector<AttachFrame> frames;
    bool connected = connection_->read(frames);
    for (const AttachFrame& frame : frames) {
      if (frame.kind == AttachFrame::Kind::event) {
        event(json::parse(frame.bytes).as_object());
      } else {
        write_all(frame.kind == AttachFrame::Kind::out ? STDOUT_FILENO : STDERR_FILENO,
                  frame.bytes);
      }
    }
    if (connected || code_) return;
    if (++lost_ > 20) throw Error("the supervisor does not answer");
    ::usleep(20000);  // the keeper starts the next one
    connect();
  }

  void event(const json::object& e) {
    if (e.contains("result")) {
      bool failed = e.at("result").as_string() == "failed";
      if (failed) fmt::print(stderr, "{}\n", std::string(e.at("error").as_string()));
      int code = e.at("exit_code").to_number<int>();
      // A program that cannot be started is our failure, not its exit code.
      code_ = failed && code != 130 ? 1 : code;
    } else if (e.contains("started")) {
      started(e);
    } else if (options_.show_progress) {
      progress_.show(e);
    }
  }

  void started(const json::object& e) {
    container_ = e.at("container").as_string();
    bool terminal = e.at("terminal").as_bool();
    input_ = connection_->take_input();
    if (!input_) return;
    // Who reads too slowly must not keep us from showing what it prints.
    ::fcntl(input_.get(), F_SETFL, ::fcntl(input_.get(), F_GETFL) | O_NONBLOCK);
    is_terminal_ = terminal && ::isatty(STDIN_FILENO) != 0;
    if (terminal) copy_window_size(input_.get());
    if (!e.at("stdin").as_bool()) reading_stdin_ = false;
    if (is_terminal_ && reading_stdin_ && !raw_) raw_.emplace();
    if (!reading_stdin_ && !terminal) input_.reset();
  }

  void read_stdin() {
    char block[16384];
    ssize_t n = ::read(STDIN_FILENO, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
      // A terminal's other end goes on without us; a pipe's ends here.
      reading_stdin_ = false;
      if (!is_terminal_) input_.reset();
      return;
    }
    std::string_view typed(block, static_cast<size_t>(n));
    pending_ = is_terminal_ ? keys_.filter(typed) : std::string(typed);
    if (keys_.found()) code_ = 0;
    write_input();
  }

  void write_input() {
    if (pending_.empty()) return;
    ssize_t n = ::write(input_.get(), pending_.data(), pending_.size());
    if (n >= 0) {
      pending_.erase(0, static_cast<size_t>(n));
    } else if (errno != EAGAIN && errno != EINTR) {
      pending_.clear();  // it reads no more
      reading_stdin_ = false;
      input_.reset();
    }
  }

  void pass_signal(std::optional<int> signal) {
    if (!signal) return;
    if (*signal == SIGWINCH) {
      if (is_terminal_ && input_) copy_window_size(input_.get());
      return;
    }
    bool running = !container_.empty();
    json::object body;
    if (running) body = {{"container", container_}, {"signal", std::to_string(*signal)}};
    try {
      // One that has just ended gets no signal, and its end is on the way to us.
      client_.call(
          running ? "/v1/signal" : "/v1/cancel", body, [](const json::object&) {},
          scheduler::Start::never);
    } catch (const Error&) {
      return;
    }
  }

  const scheduler::ControlClient& client_;
  const ConversationOptions& options_;
  Progress progress_;
  DetachKeys keys_;
  std::optional<AttachConnection> connection_;
  std::optional<RawTerminal> raw_;
  std::string container_;  // once it runs
  Fd input_;
  std::string pending_;  // typed, and not taken yet
  bool reading_stdin_, is_terminal_ = false;
  int lost_ = 0;
  std::optional<int> code_;
};

}  // namespace

int converse(const Globals& globals, const scheduler::ControlClient& client,
             const ConversationOptions& options) {
  return Conversation(globals, client, options).run();
}

}  // namespace pcompose::cli
