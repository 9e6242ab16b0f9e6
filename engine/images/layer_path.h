// What the name of a layer's entry stands for.
#pragma once

#include <string>

namespace pcompose::engine {

// OCI image spec, layer.md, "Whiteouts".
enum class LayerPathKind {
  root,      // the layer's root directory itself
  entry,     // `name` in `parent`
  whiteout,  // hides `name` of the layers below
  opaque,    // hides everything that the layers below have in `parent`
  ignored,   // aufs' own bookkeeping
};

struct LayerPath {
  LayerPathKind kind = LayerPathKind::entry;
  std::string parent;  // "" is the root; components joined by single slashes
  std::string name;

  [[nodiscard]] std::string str() const { return parent.empty() ? name : parent + "/" + name; }
};

// A leading "/" and "." components mean nothing, as for tar(1). Throws Error for ".." and for names
// that no file system takes.
LayerPath parse_layer_path(const std::string& path);
// The same where no name means anything but itself: a root or an entry.
LayerPath parse_plain_path(const std::string& path);

}  // namespace pcompose::engine
