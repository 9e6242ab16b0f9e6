// Not a test: loads sources into a root of its own and prints what each costs.
//   image_load_bench SOURCE...
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "engine/images.h"

int main(int argc, char** argv) {
  using namespace pcompose;
  std::string state = "/var/tmp/pcompose-load-bench";
  std::filesystem::remove_all(state);
  make_directories(state);
  int code = 0;
  try {
    Roots roots{state, state, "bench"};
    Database db(roots.database());
    engine::ImageStore store(db, roots);
    for (int i = 1; i < argc; ++i) {
      auto begin = std::chrono::steady_clock::now();
      auto names = store.load(argv[i]);
      std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
      auto image = store.find(names.at(0)).value();
      std::printf("%8.0f ms %6.1f MB %s\n", taken.count(), static_cast<double>(image.size) / 1e6,
                  names.at(0).c_str());
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    code = 1;
  }
  std::filesystem::remove_all(state);
  return code;
}
