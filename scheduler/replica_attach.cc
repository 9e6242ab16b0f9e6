// Clients that are attached to a container: its output, its stdin, its end.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {

// The program's end of a pipe, where its stdin is to stay open: the keeper holds the other end, so
// that reading waits for who will be attached.
Fd Replica::make_input() {
  stdin_.reset();
  if (!service_.stdin_open || service_.tty) return {};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("make the pipe of a stdin");
  Fd read_end(ends[0]);
  stdin_ = Fd(ends[1]);
  // A program that changed its user may open /dev/stdin again.
  if (::fchmod(read_end.get(), 0444) != 0) throw Error::from_errno("chmod a pipe");
  context_.keeper->store(descriptor_name("in"), stdin_.get());
  return read_end;
}

void Replica::attach(std::shared_ptr<AttachStream> stream) {
  attached_.push_back(std::move(stream));
  tell("attach");
  listen_to_output();
  if (row_.status == Status::running || row_.status == Status::paused) greet(*attached_.back());
}

void Replica::greet_attached() {
  for (const auto& stream : attached_) greet(*stream);
}

void Replica::greet(AttachStream& stream) {
  Fd input;
  if (terminal_) input = terminal_.duplicate();
  if (stdin_) input = stdin_.duplicate();
  stream.started({{"started", true},
                  {"container", row_.name},
                  {"id", row_.id},
                  {"terminal", static_cast<bool>(terminal_)},
                  {"stdin", service_.stdin_open}},
                 std::move(input));
  if (!stream.owns_input) return;
  // It ends with the client's: nobody else keeps it open.
  stdin_.reset();
  context_.keeper->drop(descriptor_name("in"));
}

void Replica::listen_to_output() {
  if (!pump_ || attached_.empty()) return;
  pump_->listen([this](engine::Stream stream, std::string text) {
    return give_output(stream, std::move(text));
  });
}

Task<> Replica::give_output(engine::Stream stream, std::string text) {
  std::erase_if(attached_, [](const auto& a) { return a->is_closed(); });
  if (attached_.empty()) pump_->listen({});
  auto all = attached_;  // who waits below may see others come
  for (const auto& one : all) co_await one->output(stream, text);
}

bool Replica::attached_is_behind() const {
  return std::any_of(attached_.begin(), attached_.end(),
                     [](const auto& a) { return a->is_behind(); });
}

void Replica::end_attached() {
  for (const auto& stream : attached_) stream->ended(row_.exit_code);
  attached_.clear();
  if (pump_) pump_->listen({});
}

}  // namespace pcompose::scheduler
