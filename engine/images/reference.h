// Image references: what people write, and what it means.
#pragma once

#include <string>

namespace pcompose::engine {

// The parts of a normalised reference. Grammar: distribution's reference package; the defaults
// (docker.io, library/, latest) are docker's.
struct Reference {
  std::string domain;  // "docker.io", "localhost:5000"
  std::string path;    // "library/nginx"
  std::string tag;     // "" only where there is a digest
  std::string digest;  // "sha256:…" or ""

  [[nodiscard]] std::string name() const { return domain + "/" + path; }
  [[nodiscard]] std::string str() const;
};

// Throws Error naming the reference and what is wrong with it.
Reference parse_reference(const std::string& text);

// True for `digits` lower-case hexadecimal digits.
bool is_hex(const std::string& text, size_t digits);
// True for "sha256:" and 64 lower-case hexadecimal digits, the only digests that stores are made of
// (OCI image spec, descriptor.md).
bool is_sha256_digest(const std::string& text);

}  // namespace pcompose::engine
