#include "base/memory_file.h"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose {

Fd memory_file(const char* name, std::string_view text) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) throw Error::from_errno("memfd_create");
  write_all(file.get(), text);
  if (::lseek(file.get(), 0, SEEK_SET) != 0) throw Error::from_errno("lseek");
  return file;
}

std::string last_line(int file) {
  constexpr off_t kMost = 4096;
  std::string text(kMost, '\0');
  off_t from = std::max<off_t>(0, ::lseek(file, 0, SEEK_END) - kMost);
  ssize_t n = ::pread(file, text.data(), text.size(), from);
  text.resize(n < 0 ? 0 : static_cast<size_t>(n));
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace pcompose
