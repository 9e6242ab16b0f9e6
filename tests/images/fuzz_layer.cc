// Whatever bytes a layer has: everything stays beneath its root, and a second of work is enough.
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images/unpack.h"
#include "tests/fixture/temporary_directory.h"

using namespace pcompose;
using namespace pcompose::engine;

namespace {

// A directory whose only member is the layer's root; the file beside it must never change.
struct Place {
  Place() : fd(open_file(directory.path(), O_RDONLY | O_DIRECTORY)) {
    replace_file(directory / "outside", "untouched");
  }
  fixture::TemporaryDirectory directory;
  Fd fd;
};

void check(Place& place) {
  if (directory_entries(place.fd.get()).size() != 2) std::abort();
  struct stat status{};
  if (::stat((place.directory / "outside").c_str(), &status) != 0 || status.st_nlink != 1)
    std::abort();
  if (read_file(place.directory / "outside") != "untouched") std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Place place;
  std::filesystem::create_directory(place.directory / "root");
  try {
    Fd root = open_at(place.fd.get(), "root", O_RDONLY | O_DIRECTORY);
    MemoryStream blob({reinterpret_cast<const char*>(data), size});
    // The digest is always wrong: the error comes after everything was unpacked.
    LayerLimits limits{200, 1U << 20U};
    unpack_layer(blob, {"wrong", "", -1}, root.get(), limits, Ownership::ours);
    std::abort();
  } catch (const Error&) {
  }
  check(place);
  remove_tree(place.fd.get(), "root");
  return 0;
}
