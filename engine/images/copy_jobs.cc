#include "engine/images/copy_jobs.h"

#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/layer_writer.h"
#include "engine/images/tar_reader.h"
#include "engine/images/tree_tar.h"

namespace pcompose::engine {

namespace {

int64_t owner_outside(const std::vector<IdMapping>& map, int64_t id, const char* what,
                      const std::string& path) {
  if (map.empty()) return id;
  if (std::in_range<uint32_t>(id)) {
    if (auto outside = id_outside(map, static_cast<uint32_t>(id))) return *outside;
  }
  throw Error(fmt::format("{} belongs to {} {}, whom the container does not have", path, what, id))
      .hint("leave --archive out, or ask for more ids: userns_mode: auto:size=65536");
}

}  // namespace

void copy_out(const CopyRequest& request, Fd directory, Fd stream) {
  auto tar = tar_of_part(std::move(directory),
                         {request.name, request.as, request.one_file_system, request.ids});
  for (auto piece = tar->next(); !piece.empty(); piece = tar->next())
    write_all(stream.get(), piece);
}

void copy_in(const CopyRequest& request, Fd directory, Fd stream) {
  FileStream source(std::move(stream), FileStream::Kind::pipe);
  TarReader reader(source);
  LayerWriter writer(directory.get(), LayerLimits::from_environment(),
                     ::geteuid() == 0 ? Ownership::keep : Ownership::ours);
  writer.take_names_as_they_are();
  while (reader.next()) {
    TarEntry entry = reader.entry();
    if (!request.keep_owners) {
      entry.uid = request.uid;
      entry.gid = request.gid;
    }
    entry.uid = owner_outside(request.ids.uids, entry.uid, "user", entry.path);
    entry.gid = owner_outside(request.ids.gids, entry.gid, "group", entry.path);
    writer.add(entry, [&reader](TarData& piece) { return reader.data(piece); });
  }
  writer.finish();
  // Who writes the tar may have more to say than its end: it must not die of it.
  while (!source.next().empty()) continue;
}

}  // namespace pcompose::engine
