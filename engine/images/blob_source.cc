#include "engine/images/blob_source.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/tar_reader.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxMembers = 100'000;
constexpr int kMaxLinks = 8;

// One member of an archive.
class MemberStream final : public ByteStream {
 public:
  MemberStream(Fd file, int64_t position)
      : file_(std::move(file), FileStream::Kind::regular, position), reader_(file_) {
    if (!reader_.next()) throw Error("the archive changes while it is read");
  }
  std::string_view next() override {
    TarData piece;
    do {
      if (!reader_.data(piece)) return {};
      if (piece.offset != offset_) throw Error("the archive holds a blob with holes");
      offset_ += static_cast<int64_t>(piece.bytes.size());
    } while (piece.bytes.empty());
    return piece.bytes;
  }

 private:
  FileStream file_;
  TarReader reader_;
  int64_t offset_ = 0;
};

// "./a//b/../c" -> "a/c", by the text alone: members are names, not files.
std::string member_name(const std::string& path) {
  std::string name = std::filesystem::path(path).lexically_normal().relative_path();
  return name == "." ? "" : name;
}

}  // namespace

std::string BlobSource::read(const std::string& path, size_t limit) {
  std::unique_ptr<ByteStream> stream = open(path);
  std::string out;
  for (;;) {
    std::string_view piece = stream->next();
    if (piece.empty()) return out;
    if (out.size() + piece.size() > limit)
      throw Error(fmt::format("{} is longer than {} bytes", path, limit), EFBIG);
    out += piece;
  }
}

bool DirectorySource::has(const std::string& path) {
  struct stat status{};
  return ::fstatat(directory_.get(), path.c_str(), &status, 0) == 0;
}

std::unique_ptr<ByteStream> DirectorySource::open(const std::string& path) {
  // O_NONBLOCK: a FIFO would wait for a writer for ever.
  Fd file = open_within(directory_.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY, Resolve::beneath);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw Error::from_errno("fstat");
  if (!S_ISREG(status.st_mode)) throw Error(path + " is no regular file");
  return std::make_unique<FileStream>(std::move(file));
}

ArchiveSource::ArchiveSource(Fd file) : file_(std::move(file)) {
  FileStream stream(file_.duplicate());
  TarReader reader(stream);
  while (reader.next()) {
    const TarEntry& entry = reader.entry();
    Member member{reader.position(), ""};
    // Older `docker save` has links between equal layers.
    std::string name = member_name(entry.path);
    if (entry.type == EntryType::symlink) {
      auto from = std::filesystem::path(name).parent_path();
      member.link = member_name((from / entry.target).string());
    } else if (entry.type == EntryType::hard_link) {
      member.link = member_name(entry.target);
    } else if (entry.type != EntryType::file) {
      continue;
    }
    members_[name] = std::move(member);
    if (members_.size() > kMaxMembers)
      throw Error(fmt::format("the archive has more than {} members", kMaxMembers));
  }
}

const ArchiveSource::Member* ArchiveSource::find(const std::string& path) const {
  std::string name = member_name(path);
  for (int i = 0; i < kMaxLinks; ++i) {
    auto found = members_.find(name);
    if (found == members_.end()) return nullptr;
    if (found->second.link.empty()) return &found->second;
    name = found->second.link;
  }
  return nullptr;
}

bool ArchiveSource::has(const std::string& path) { return find(path) != nullptr; }

std::unique_ptr<ByteStream> ArchiveSource::open(const std::string& path) {
  const Member* member = find(path);
  if (member == nullptr) throw Error("the archive lacks " + path, ENOENT);
  return std::make_unique<MemberStream>(file_.duplicate(), member->position);
}

}  // namespace pcompose::engine
