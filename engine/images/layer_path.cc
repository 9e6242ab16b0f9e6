#include "engine/images/layer_path.h"

#include <algorithm>

#include <climits>
#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufs = ".wh..wh.";

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw Error(fmt::format("the layer's entry \"{:.200}\": {}", path, why));
}

void append(const std::string& path, LayerPath& out, std::string part) {
  if (part.empty() || part == ".") return;
  if (part == "..") refuse(path, "'..' would lead out of the image");
  if (part.size() > NAME_MAX) refuse(path, "a name is longer than 255 bytes");
  if (!out.name.empty()) out.parent = out.str();
  out.name = std::move(part);
}

}  // namespace

LayerPath parse_plain_path(const std::string& path) {
  if (path.size() >= PATH_MAX) refuse(path, "the path is longer than 4095 bytes");
  LayerPath out;
  for (size_t start = 0; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    append(path, out, path.substr(start, end - start));
    start = end + 1;
  }
  if (out.name.empty()) out.kind = LayerPathKind::root;
  return out;
}

LayerPath parse_layer_path(const std::string& path) {
  LayerPath out = parse_plain_path(path);
  if (out.kind == LayerPathKind::root) return out;
  if (out.name == kOpaque) {
    out.kind = LayerPathKind::opaque;
  } else if (out.name.starts_with(kAufs) || ("/" + out.parent).contains("/.wh.")) {
    // Nothing can be beneath a whiteout either; aufs kept hard links in such a directory.
    out.kind = LayerPathKind::ignored;
  } else if (out.name.starts_with(kWhiteout)) {
    out.kind = LayerPathKind::whiteout;
    out.name.erase(0, kWhiteout.size());
    if (out.name.empty() || out.name == "." || out.name == "..")
      refuse(path, "a whiteout of nothing");
  }
  return out;
}

}  // namespace pcompose::engine
