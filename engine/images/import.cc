#include "engine/images/import.h"

#include <limits>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/config.h"
#include "engine/images/tree_tar.h"
#include "engine/images/unpack.h"

namespace pcompose::engine {
namespace {

// Whether the first bytes are a tar header, or zeros, which are the end of an empty one.
bool looks_like_tar(const Fd& file) {
  char block[512] = {};
  ssize_t n = ::pread(file.get(), block, sizeof block, 0);
  if (n < static_cast<ssize_t>(sizeof block)) return false;
  unsigned sum = 0;
  for (size_t i = 0; i < sizeof block; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return sum == 8 * ' ' || sum == std::strtoul(std::string(block + 148, 8).c_str(), nullptr, 8);
}

// The layer's name is its digest, which must be known before it is unpacked: so the plain tar is
// written out once.
std::string spool(Fd source, const Fd& file) {
  struct stat status{};
  if (::fstat(source.get(), &status) != 0) throw Error::from_errno("fstat");
  std::unique_ptr<ByteStream> raw, tar;
  if (S_ISDIR(status.st_mode)) {
    tar = tar_of_tree(std::move(source));
  } else {
    raw = std::make_unique<FileStream>(std::move(source), FileStream::Kind::pipe);
    tar = inflate(*raw);
  }
  LayerLimits limits = LayerLimits::from_environment();
  DigestStream digest(*tar, "the archive", limits.bytes + limits.entries * 4096);
  for (std::string_view piece = digest.next(); !piece.empty(); piece = digest.next())
    write_all(file.get(), piece);
  if (!looks_like_tar(file)) throw Error("it is no tar archive");
  return digest.hex();
}

std::string configuration(const ImportRequest& request, const std::string& diff_id) {
  json::object out{
      {"created", request.created}, {"architecture", request.architecture}, {"os", request.os}};
  if (!request.variant.empty()) out["variant"] = request.variant;
  out["config"] = parse_json(request.config, "the changes");
  out["rootfs"] = json::object{{"type", "layers"}, {"diff_ids", json::array{"sha256:" + diff_id}}};
  out["history"] =
      json::array{json::object{{"created", request.created}, {"comment", request.message}}};
  return json::serialize(out);
}

}  // namespace

LoadedImage import_image(Fd source, const ImportRequest& request, LayerStore& layers,
                         const DocumentStore& documents) {
  layers.remove_stale();
  Fd file = layers.temporary_file();
  LoadedImage out;
  LoadedLayer layer;
  layer.diff_id = spool(std::move(source), file);
  layer.chain_id = chain_id("", layer.diff_id);
  layer.size = layers.add(layer.chain_id, [&](LayerPlace place) {
    FileStream tar(file.duplicate());
    return unpack_layer(tar, {layer.diff_id, "", -1}, place, LayerLimits::from_environment(),
                        possible_ownership());
  });
  out.config = configuration(request, layer.diff_id);
  out.config_digest = "sha256:" + sha256_hex(out.config);
  documents.keep(out.config_digest.substr(7), out.config);
  out.layers.push_back(std::move(layer));
  return out;
}

}  // namespace pcompose::engine
