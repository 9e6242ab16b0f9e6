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
#include "engine/images/report.h"

namespace pcompose::engine {
namespace {

int load() {
  Fd source(kSourceFd), state(kStoreFd), report(kReportFd);
  std::string lines;
  int code = 0;
  try {
    LayerStore store(state);
    state.reset();
    confine(store.directories(), source);
    for (const LoadedImage& image : load_images(std::move(source), store, Platform::host()))
      lines += report_line(image);
    lines += report_done();
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

int main(int argc, char** argv) {
  if (argc != 2 || std::string(argv[1]) != "load") {
    std::fputs("pcompose-images is started by pcompose, see `pcompose load`\n", stderr);
    return 2;
  }
  // Names in pax headers are UTF-8; libarchive converts them to the locale's encoding.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  ::umask(0);
  try {
    return pcompose::engine::load();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pcompose-images: %s\n", e.what());
    return 1;
  }
}
