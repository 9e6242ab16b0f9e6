// Small blobs of images as they are: STATE/documents/<digest>. An image's configuration is needed
// byte for byte when it is saved or pushed.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"

namespace pcompose::engine {

// Several processes may use one store: each document is fetched once. Digests are 64 hexadecimal
// digits.
class DocumentStore {
 public:
  // Makes the directory where it is missing. Throws Error.
  explicit DocumentStore(const Fd& state);

  // nullopt where it is missing, or is not what its name says (a crash of the file system).
  [[nodiscard]] std::optional<std::string> find(const std::string& digest) const;
  // The right to write `digest`, or nothing where it is there by now. Blocks while somebody else
  // has the right; it ends with the descriptor, or the process.
  [[nodiscard]] Fd claim(const std::string& digest) const;
  // With the claim: complete and on the disk when this returns.
  void put(const Fd& claim, const std::string& digest, const std::string& text) const;
  // Both, for what is at hand.
  void keep(const std::string& digest, const std::string& text) const;

  [[nodiscard]] int directory() const { return directory_.get(); }

 private:
  Fd directory_;
};

}  // namespace pcompose::engine
