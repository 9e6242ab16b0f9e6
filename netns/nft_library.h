// libnftables, loaded while rules change. With its five libraries it costs 2 ms and 1.3 MB; most
// commands end without having touched a rule, and a supervisor has nothing to change for days.
#pragma once

#include <memory>

#include <nftables/libnftables.h>

namespace pcompose::netns {

class NftLibrary {
 public:
  // Throws an Error that says what to install where it is missing.
  NftLibrary();

  // Its functions, by their own types (libnftables(3)).
  decltype(&::nft_ctx_new) ctx_new = nullptr;
  decltype(&::nft_ctx_free) ctx_free = nullptr;
  decltype(&::nft_ctx_buffer_error) ctx_buffer_error = nullptr;
  decltype(&::nft_ctx_buffer_output) ctx_buffer_output = nullptr;
  decltype(&::nft_ctx_get_error_buffer) ctx_get_error_buffer = nullptr;
  decltype(&::nft_run_cmd_from_buffer) run_cmd_from_buffer = nullptr;

 private:
  struct Unload {
    void operator()(void* library) const;
  };
  std::unique_ptr<void, Unload> library_;
};

}  // namespace pcompose::netns
