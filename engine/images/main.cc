// pcompose-images: reads images that strangers made, with no rights beyond the store. Started by
// ImageStore; the descriptors are those of report.h.
#include <clocale>
#include <cstdio>
#include <exception>
#include <string>
#include <sys/stat.h>

#include "base/error.h"
#include "engine/images/confine.h"
#include "engine/images/load.h"
#include "engine/images/pull.h"
#include "engine/images/report.h"

namespace pcompose::engine {
namespace {

// The rights of a load: the store, and the source where it is a directory.
Rights load_rights(const LayerStore& layers, const DocumentStore& documents, const Fd& source) {
  Rights rights{layers.directories(), {}, Network::none};
  rights.writable.push_back(documents.directory());
  struct stat status{};
  if (::fstat(source.get(), &status) != 0) throw Error::from_errno("fstat");
  if (S_ISDIR(status.st_mode)) rights.readable.push_back(source.get());
  return rights;
}

std::string load(Fd state) {
  Fd source(kSourceFd);
  LayerStore layers(state);
  DocumentStore documents(state);
  state.reset();
  confine(load_rights(layers, documents, source));
  std::string lines;
  for (const LoadedImage& image :
       load_images(std::move(source), layers, documents, Platform::host()))
    lines += report_line(image);
  return lines + report_done();
}

std::string pull(Fd state, const Fd& report_fd) {
  PullRequest request = read_pull_request(read_all(Fd(kRequestFd).get(), kMaxReportBytes));
  CertificatesOf certificates = read_all_certificates(request);
  LayerStore layers(state);
  DocumentStore documents(state);
  state.reset();
  {
    std::vector<Fd> files = open_network_files();
    Rights rights{layers.directories(), {}, Network::connect};
    rights.writable.push_back(documents.directory());
    for (const Fd& file : files) rights.readable.push_back(file.get());
    confine(rights);
  }
  PullReport report(report_fd.get());
  pull_images(request, certificates, layers, documents, report);
  return report_done();
}

int run(const std::string& job) {
  Fd state(kStoreFd), report(kReportFd);
  std::string lines;
  int code = 0;
  try {
    lines = job == "pull" ? pull(std::move(state), report) : load(std::move(state));
  } catch (const Error& e) {
    lines = report_error(e.message(), e.hint());
    code = 1;
  } catch (const std::exception& e) {
    lines = report_error(e.what(), "");
    code = 1;
  }
  write_all(report.get(), lines);
  return code;
}

}  // namespace
}  // namespace pcompose::engine

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// The search for leaks at the end reads /proc, which we have given up; the unit tests search the
// same code.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif
#endif

int main(int argc, char** argv) {
  std::string job = argc == 2 ? argv[1] : "";
  if (job != "load" && job != "pull") {
    std::fputs("pcompose-images is started by pcompose, see `pcompose image`\n", stderr);
    return 2;
  }
  // Names in pax headers are UTF-8; libarchive converts them to the locale's encoding.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  ::umask(0);
  try {
    return pcompose::engine::run(job);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pcompose-images: %s\n", e.what());
    return 1;
  }
}
