// pcompose-images: reads images that strangers made, with no rights beyond the store. Started by
// ImageStore; the descriptors are those of report.h.
#include <clocale>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>

#include "base/error.h"
#include "engine/container_ids.h"
#include "engine/images/confine.h"
#include "engine/images/copy_jobs.h"
#include "engine/images/import.h"
#include "engine/images/load.h"
#include "engine/images/pull.h"
#include "engine/images/push.h"
#include "engine/images/report.h"
#include "engine/images/save.h"
#include "engine/rootless/own_ids.h"

namespace pcompose::engine {
namespace {

bool is_directory(const Fd& fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw Error::from_errno("fstat");
  return S_ISDIR(status.st_mode);
}

// The rights of a load: the store, and the source where it is a directory.
Rights load_rights(const LayerStore& layers, const DocumentStore& documents, const Fd& source) {
  Rights rights{layers.directories(), {}, Network::none};
  rights.writable.push_back(documents.directory());
  if (is_directory(source)) rights.readable.push_back(source.get());
  return rights;
}

std::string load(Fd state, const Fd& /*report*/) {
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

std::string push(Fd state, const Fd& report_fd) {
  PushRequest request = read_push_request(read_all(Fd(kRequestFd).get(), kMaxReportBytes));
  CertificatesOf certificates = read_all_certificates(request);
  LayerStore layers(state);
  DocumentStore documents(state);
  state.reset();
  {
    std::vector<Fd> files = open_network_files();
    Rights rights{{}, layers.directories(), Network::connect};
    rights.readable.push_back(documents.directory());
    for (const Fd& file : files) rights.readable.push_back(file.get());
    confine(rights);
  }
  PullReport report(report_fd.get());
  push_images(request, certificates, layers, documents, report);
  return report_done();
}

std::string save(Fd state, const Fd& /*report*/) {
  SaveRequest request = read_save_request(read_all(Fd(kRequestFd).get(), kMaxReportBytes));
  Fd output(kSecondFd);
  LayerStore layers(state);
  DocumentStore documents(state);
  state.reset();
  bool directory = is_directory(output);
  Rights rights{{}, layers.directories(), Network::none};
  rights.readable.push_back(documents.directory());
  if (directory) rights.writable.push_back(output.get());
  confine(rights);
  auto sink = directory ? directory_sink(std::move(output)) : archive_sink(std::move(output));
  save_images(request, *sink, layers, documents);
  return report_done();
}

std::string import(Fd state, const Fd& /*report*/) {
  ImportRequest request = read_import_request(read_all(Fd(kSecondFd).get(), kMaxReportBytes));
  Fd source(kSourceFd);
  LayerStore layers(state);
  DocumentStore documents(state);
  state.reset();
  confine(load_rights(layers, documents, source));
  return report_line(import_image(std::move(source), request, layers, documents)) + report_done();
}

// The tar is where other jobs have the store.
std::string pack(Fd stream, const Fd& /*report*/) {
  CopyRequest request = read_copy_request(read_all(Fd(kRequestFd).get(), kMaxReportBytes));
  Fd directory(kSecondFd);
  confine({{}, {directory.get()}, Network::none});
  copy_out(request, std::move(directory), std::move(stream));
  return report_done();
}

std::string unpack(Fd stream, const Fd& /*report*/) {
  CopyRequest request = read_copy_request(read_all(Fd(kRequestFd).get(), kMaxReportBytes));
  Fd directory(kSecondFd);
  make_files_as(id_outside(request.ids.uids, 0).value_or(0),
                id_outside(request.ids.gids, 0).value_or(0));
  confine({{directory.get()}, {}, Network::none});
  copy_in(request, std::move(directory), std::move(stream));
  return report_done();
}

using Job = std::string (*)(Fd state, const Fd& report);
constexpr std::pair<std::string_view, Job> kJobs[] = {
    {"load", load},     {"pull", pull}, {"push", push},    {"save", save},
    {"import", import}, {"pack", pack}, {"unpack", unpack}};

Job find_job(std::string_view name) {
  for (const auto& [known, job] : kJobs) {
    if (known == name) return job;
  }
  return nullptr;
}

int run(Job job) {
  Fd state(kStoreFd), report(kReportFd);
  std::string lines;
  int code = 0;
  try {
    lines = job(std::move(state), report);
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
  auto job = pcompose::engine::find_job(argc == 2 ? argv[1] : "");
  if (job == nullptr) {
    std::fputs("pcompose-images is started by pcompose, see `pcompose image`\n", stderr);
    return 2;
  }
  // Names in pax headers are UTF-8; libarchive converts them to the locale's encoding.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  ::umask(0);
  try {
    pcompose::engine::rootless::has_single_id();  // read while /proc is within reach
    return pcompose::engine::run(job);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pcompose-images: %s\n", e.what());
    return 1;
  }
}
