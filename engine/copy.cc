#include "engine/copy.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/memory_file.h"
#include "base/process.h"
#include "engine/images/copy_jobs.h"
#include "engine/images/report.h"
#include "engine/images/worker.h"
#include "engine/rootless/shared_namespaces.h"

namespace pcompose::engine {
namespace {

std::pair<Fd, Fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

// A worker at its job.
class CopyWorker {
 public:
  CopyWorker(const Roots& roots, const char* job, const CopyRequest& request, int directory,
             int stream) {
    Fd request_fd = memory_file("request", write_copy_request(request));
    Fd nothing = open_file("/dev/null", O_RDONLY);
    auto [read_end, write_end] = make_pipe();
    report_ = std::move(read_end);
    SpawnOptions options;
    options.argv = {own_program("pcompose-images"), job};
    options.environment = {"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"};
    options.fds = {{nothing.get(), STDIN_FILENO},
                   {request_fd.get(), kRequestFd},
                   {stream, kStoreFd},
                   {write_end.get(), kReportFd},
                   {directory, kSecondFd}};
    // Root of its namespaces is inside already.
    bool outside = roots.rootless && ::geteuid() != 0;
    child_.emplace(outside ? SharedNamespaces::open(roots).spawn_inside(options) : spawn(options));
  }

  // Waits for its end. Throws its Error.
  void finish() {
    ReportReader reader;
    reader.add(read_all(report_.get(), kMaxReportBytes));
    ExitStatus status = child_->wait();
    if (!reader.done())
      throw Error(
          fmt::format("pcompose-images ended with code {} in the middle of a copy", status.code()));
  }

 private:
  Fd report_;
  std::optional<Child> child_;
};

CopyRequest request_of(const CopySource& source) {
  CopyRequest out;
  out.name = source.name;
  out.as = source.as;
  out.one_file_system = source.one_file_system;
  out.ids = source.ids;
  return out;
}

CopyRequest request_of(const CopyTarget& target) {
  CopyRequest out;
  out.keep_owners = target.owners == Owners::keep;
  out.uid = target.uid;
  out.gid = target.gid;
  out.ids = target.ids;
  return out;
}

}  // namespace

void copy(const Roots& roots, const CopySource& source, const CopyTarget& target) {
  auto [read_end, write_end] = make_pipe();
  CopyWorker pack(roots, "pack", request_of(source), source.directory.get(), write_end.get());
  CopyWorker unpack(roots, "unpack", request_of(target), target.directory.get(), read_end.get());
  read_end.reset();
  write_end.reset();
  std::exception_ptr failure;
  try {
    unpack.finish();
  } catch (const Error&) {
    failure = std::current_exception();
  }
  try {
    pack.finish();
  } catch (const Error&) {
    // The packer's failure is the cause of the other's, unless it died of a closed pipe.
    if (!failure) throw;
  }
  if (failure) std::rethrow_exception(failure);
}

void copy_to_stream(const Roots& roots, const CopySource& source, int stream) {
  CopyWorker(roots, "pack", request_of(source), source.directory.get(), stream).finish();
}

void copy_from_stream(const Roots& roots, int stream, const CopyTarget& target) {
  CopyWorker(roots, "unpack", request_of(target), target.directory.get(), stream).finish();
}

}  // namespace pcompose::engine
