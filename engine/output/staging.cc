#include "engine/output/staging.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/roots.h"

namespace pcompose::engine {
namespace {

constexpr uint64_t kMagic = 0x7063'6f75'7431ULL;
constexpr size_t kChunk = 256U << 10U;
constexpr size_t kWindow = 64U << 10U;
constexpr uint64_t kCompactAt = 1U << 20U;

uint64_t now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000U + static_cast<uint64_t>(t.tv_nsec);
}

unsigned index(Stream stream) { return static_cast<unsigned>(stream); }

}  // namespace

struct Staging::Slot {
  struct Mark {
    uint32_t file = 0;  // which of the stream's two staging files
    uint32_t reserved = 0;
    uint64_t done = 0;  // bytes of it that are in the log
  } mark[2];
  uint64_t log_end = 0;
  uint32_t generation = 0;
  uint32_t reserved = 0;
};

struct Staging::Header {
  uint64_t magic;
  std::atomic<uint64_t> sequence;  // its lowest bit picks the slot that counts
  Slot slot[2];
  // What the commit `intent_sequence` is going to do; counts only while sequence + 1 ==
  // intent_sequence.
  std::atomic<uint64_t> intent_sequence;
  uint64_t intent_end;
  uint64_t intent_time;
  uint32_t intent_stream;
  uint32_t intent_final;
};

std::string Staging::fifo_path(const std::string& directory, Stream stream) {
  return directory + (stream == Stream::out ? "/out" : "/err");
}

void Staging::make_fifos(const std::string& directory) {
  for (Stream s : {Stream::out, Stream::err}) {
    std::string path = fifo_path(directory, s);
    if (::mkfifo(path.c_str(), 0600) != 0) {
      if (errno == EEXIST) continue;
      throw Error::from_errno("make the FIFO " + path);
    }
    if (::chmod(path.c_str(), 0622) != 0)
      throw Error::from_errno("chmod " + path);  // mkfifo heeds the umask
  }
}

Staging::Staging(const std::string& directory, std::string log_directory, LogLimits limits)
    : log_directory_(std::move(log_directory)), limits_(limits) {
  map_header(directory);
  for (unsigned s = 0; s < 2; ++s) {
    for (unsigned f = 0; f < 2; ++f) {
      std::string path = directory + (s == 0 ? "/out" : "/err") + ".stage" + std::to_string(f);
      stage_[s][f] = open_file(path, O_RDWR | O_CREAT, 0600);
    }
  }
  redo();
}

Staging::~Staging() {
  if (header_ != nullptr) ::munmap(header_, sizeof(Header));
}

void Staging::map_header(const std::string& directory) {
  Fd fd = open_file(directory + "/position", O_RDWR | O_CREAT, 0600);
  if (::ftruncate(fd.get(), sizeof(Header)) != 0)
    throw Error::from_errno("size " + directory + "/position");
  void* at = ::mmap(nullptr, sizeof(Header), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) throw Error::from_errno("map " + directory + "/position");
  header_ = static_cast<Header*>(at);
  if (header_->magic == kMagic) return;
  // Fresh: after the last generation that is on disk (the run directory went with a boot).
  auto generations = log_generations(log_directory_);
  Slot first{};
  first.generation = generations.empty() ? 1 : generations.back() + 1;
  header_->slot[0] = first;
  header_->sequence = 0;
  header_->intent_sequence = 0;
  header_->magic = kMagic;
}

Staging::Slot Staging::current() const {
  return header_->slot[header_->sequence.load(std::memory_order_acquire) & 1U];
}

void Staging::commit(const Slot& next) {
  uint64_t sequence = header_->sequence.load(std::memory_order_relaxed);
  header_->slot[(sequence + 1) & 1U] = next;
  header_->sequence.store(sequence + 1, std::memory_order_release);
}

uint64_t Staging::staged(Stream stream) const {
  struct stat st{};
  Slot slot = current();
  if (::fstat(stage_[index(stream)][slot.mark[index(stream)].file].get(), &st) != 0) {
    throw Error::from_errno("measure a staging file");
  }
  return static_cast<uint64_t>(st.st_size);
}

std::string Staging::staged_from(Stream stream, uint64_t from) const {
  std::string text(staged(stream) - from, '\0');
  int file = stage_[index(stream)][current().mark[index(stream)].file].get();
  ssize_t n = ::pread(file, text.data(), text.size(), static_cast<off_t>(from));
  if (n != static_cast<ssize_t>(text.size()))
    throw Error("a staging file lost bytes", n < 0 ? errno : EIO);
  return text;
}

Absorbed Staging::absorb(Stream stream, int fifo) {
  Slot slot = current();
  auto size = static_cast<loff_t>(staged(stream));
  int file = stage_[index(stream)][slot.mark[index(stream)].file].get();
  for (;;) {
    ssize_t n = ::splice(fifo, nullptr, file, &size, kChunk, SPLICE_F_NONBLOCK);
    if (n > 0) return Absorbed::some;
    if (n == 0) return Absorbed::end;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Absorbed::nothing;
    throw Error::from_errno("take a container's output");
  }
}

// Not before there is something to write: many containers never say a word.
void Staging::open_log() {
  make_directories(log_directory_);
  log_ =
      open_file(log_directory_ + "/" + log_file_name(current().generation), O_RDWR | O_CREAT, 0600);
}

void Staging::rotate() {
  Slot next = current();
  ++next.generation;
  next.log_end = 0;
  // Empty, whatever a predecessor that died here left in it.
  open_file(log_directory_ + "/" + log_file_name(next.generation), O_RDWR | O_CREAT | O_TRUNC, 0600)
      .reset();
  commit(next);
  log_.reset();
  for (uint32_t generation : log_generations(log_directory_)) {
    if (generation + limits_.max_files > next.generation) break;
    ::unlink((log_directory_ + "/" + log_file_name(generation)).c_str());
  }
}

void Staging::format(Stream stream, uint64_t end, uint64_t time_ns, Tail tail) {
  Slot next = current();
  auto& mark = next.mark[index(stream)];
  std::string text(end - mark.done, '\0');
  ssize_t n = ::pread(stage_[index(stream)][mark.file].get(), text.data(), text.size(),
                      static_cast<off_t>(mark.done));
  if (n != static_cast<ssize_t>(text.size()))
    throw Error("a staging file lost bytes", n < 0 ? errno : EIO);
  std::string records;
  if (limits_.keep) {
    records.reserve(text.size() * 2);
    append_records(records, text, stream, time_ns, tail);
  }
  if (!log_ && !records.empty()) open_log();
  for (size_t written = 0; written < records.size();) {
    ssize_t w = ::pwrite(log_.get(), records.data() + written, records.size() - written,
                         static_cast<off_t>(next.log_end + written));
    if (w < 0 && errno != EINTR) throw Error::from_errno("write the log in " + log_directory_);
    if (w > 0) written += static_cast<size_t>(w);
  }
  next.log_end += records.size();
  mark.done = end;
  commit(next);
}

void Staging::redo() {
  if (header_->intent_sequence.load() != header_->sequence.load() + 1) return;
  format(header_->intent_stream == 0 ? Stream::out : Stream::err, header_->intent_end,
         header_->intent_time, header_->intent_final != 0 ? Tail::final : Tail::open);
}

void Staging::write_log(Stream stream, Tail tail) {
  static thread_local std::string window(kWindow, '\0');  // once, not per call: it is zeroed
  for (;;) {
    Slot slot = current();
    const auto& mark = slot.mark[index(stream)];
    ssize_t n = ::pread(stage_[index(stream)][mark.file].get(), window.data(), window.size(),
                        static_cast<off_t>(mark.done));
    if (n < 0) throw Error::from_errno("read a staging file");
    std::string_view text(window.data(), static_cast<size_t>(n));
    size_t newline = text.rfind('\n');
    size_t take = newline == std::string_view::npos ? text.size() / kMaxRecordText * kMaxRecordText
                                                    : newline + 1;
    bool rest = tail == Tail::final && text.size() < window.size();
    if (rest) take = text.size();
    if (take == 0) break;
    if (slot.log_end >= limits_.max_bytes) rotate();
    header_->intent_stream = index(stream);
    header_->intent_end = mark.done + take;
    header_->intent_time = now_ns();
    header_->intent_final = rest ? 1 : 0;
    header_->intent_sequence.store(header_->sequence.load() + 1, std::memory_order_release);
    format(stream, header_->intent_end, header_->intent_time, rest ? Tail::final : Tail::open);
  }
  if (staged(stream) >= kCompactAt) compact(stream);
}

void Staging::compact(Stream stream) {
  Slot next = current();
  auto& mark = next.mark[index(stream)];
  std::string tail(staged(stream) - mark.done, '\0');
  int from = stage_[index(stream)][mark.file].get();
  if (::pread(from, tail.data(), tail.size(), static_cast<off_t>(mark.done)) !=
      static_cast<ssize_t>(tail.size())) {
    throw Error("a staging file lost bytes", EIO);
  }
  mark.file ^= 1U;
  mark.done = 0;
  int to = stage_[index(stream)][mark.file].get();
  if (::ftruncate(to, 0) != 0) throw Error::from_errno("empty a staging file");
  ssize_t n = ::pwrite(to, tail.data(), tail.size(), 0);
  if (n != static_cast<ssize_t>(tail.size()))
    throw Error("write a staging file", n < 0 ? errno : ENOSPC);
  commit(next);
  if (::ftruncate(from, 0) != 0) throw Error::from_errno("empty a staging file");
}

}  // namespace pcompose::engine
