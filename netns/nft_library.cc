#include "netns/nft_library.h"

#include <dlfcn.h>
#include <string>

#include "base/error.h"

namespace pcompose::netns {
namespace {

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw Error(std::string("libnftables has no ") + name);
}

}  // namespace

void NftLibrary::Unload::operator()(void* library) const { ::dlclose(library); }

NftLibrary::NftLibrary() : library_(::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL)) {
  void* library = library_.get();
  if (library == nullptr) {
    throw Error(std::string("cannot load libnftables: ") + ::dlerror())
        .hint("install it: apt-get install libnftables1");
  }
  find(library, "nft_ctx_new", ctx_new);
  find(library, "nft_ctx_free", ctx_free);
  find(library, "nft_ctx_buffer_error", ctx_buffer_error);
  find(library, "nft_ctx_buffer_output", ctx_buffer_output);
  find(library, "nft_ctx_get_error_buffer", ctx_get_error_buffer);
  find(library, "nft_run_cmd_from_buffer", run_cmd_from_buffer);
}

}  // namespace pcompose::netns
