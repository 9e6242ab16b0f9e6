#include "compose/paths.h"

#include <filesystem>

namespace pcompose::compose {

std::string clean_path(std::string_view path) {
  std::string out = std::filesystem::path(path).lexically_normal().string();
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string join_path(std::string_view directory, std::string_view path) {
  if (path.starts_with('/')) return clean_path(path);
  return clean_path(std::string(directory) + "/" + std::string(path));
}

std::string directory_of(std::string_view path) {
  std::string clean = clean_path(path);
  size_t slash = clean.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : clean.substr(0, slash);
}

std::string base_name(std::string_view path) {
  std::string clean = clean_path(path);
  return clean.substr(clean.rfind('/') + 1);
}

std::string shown_path(std::string_view path, std::string_view directory) {
  std::string prefix(directory);
  if (!prefix.ends_with('/')) prefix += '/';
  if (path.starts_with(prefix)) path.remove_prefix(prefix.size());
  return std::string(path);
}

}  // namespace pcompose::compose
