#include "netns/sysctl.h"

#include <cerrno>
#include <fcntl.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::netns {
namespace {

std::string path_of(const std::string& key) { return "/proc/sys/" + key; }

}  // namespace

void write_sysctl(const std::string& key, std::string_view value) {
  try {
    Fd fd = open_file(path_of(key), O_WRONLY);
    write_all(fd.get(), value);
  } catch (Error& e) {
    throw e.add("set " + key);
  }
}

bool write_sysctl_if_there(const std::string& key, std::string_view value) {
  try {
    write_sysctl(key, value);
    return true;
  } catch (const Error& e) {
    if (e.error_number() == ENOENT) return false;
    throw;
  }
}

std::string read_sysctl(const std::string& key) {
  std::string text = read_file(path_of(key), 4096);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace pcompose::netns
