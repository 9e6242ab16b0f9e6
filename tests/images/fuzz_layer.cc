// Whatever bytes a layer has: everything stays beneath its root, a second of work is enough, and
// what was taken is made again byte for byte.
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images/layer_record.h"
#include "engine/images/layer_tar.h"
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
  for (const std::string& name : directory_entries(place.fd.get())) {
    if (name != "diff" && name != "outside" && name != kRecordName && name != kLostName)
      std::abort();
  }
  struct stat status{};
  if (::stat((place.directory / "outside").c_str(), &status) != 0 || status.st_nlink != 1)
    std::abort();
  if (read_file(place.directory / "outside") != "untouched") std::abort();
}

std::string digest_of_plain(std::string_view bytes) {
  try {
    MemoryStream blob(bytes);
    auto plain = inflate(blob);
    DigestStream digest(*plain, "the layer", 64U << 20U);
    digest.drain();
    return digest.hex();
  } catch (const Error&) {
    return "damaged";
  }
}

// Throws where it is something else. A layer without a record is one that readers of tar do not
// agree about.
void make_again(Place& place, const std::string& diff_id) {
  if (!std::filesystem::exists(place.directory / kRecordName)) return;
  uint64_t size = 0;
  LayerTar tar(place.fd, diff_id);
  for (std::string_view piece = tar.next(); !piece.empty(); piece = tar.next())
    size += piece.size();
  if (size != layer_tar_size(place.fd)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Place place;
  std::filesystem::create_directory(place.directory / "diff");
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string diff_id = digest_of_plain(bytes);
  bool taken = false;
  try {
    Fd root = open_at(place.fd.get(), "diff", O_RDONLY | O_DIRECTORY);
    MemoryStream blob(bytes);
    LayerLimits limits{200, 1U << 20U};
    unpack_layer(blob, {diff_id, "", -1}, {root.get(), place.fd.get()}, limits, Ownership::ours);
    taken = true;
  } catch (const Error&) {
  }
  if (taken) make_again(place, diff_id);
  check(place);
  for (const char* name : {"diff", kRecordName, kLostName}) remove_tree(place.fd.get(), name);
  return 0;
}
