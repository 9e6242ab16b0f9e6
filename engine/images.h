// Images of a root, as the rest of the engine uses them: rows of the database and directories of
// layers. Loading and unpacking happen in pcompose-images, a program of its own (images/): it reads
// what strangers wrote.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::engine {

struct PulledImage;  // images/report.h
struct PullRequest;  // images/pull_request.h
struct StoredImage;  // images/push_request.h

// HEALTHCHECK of an image; an absent field is the engine's default.
struct ImageHealthCheck {
  std::vector<std::string> test;  // {"CMD", …}, {"CMD-SHELL", "…"}, {"NONE"}
  std::optional<std::chrono::nanoseconds> interval, timeout, start_period, start_interval;
  std::optional<int> retries;
};

// The part of the image configuration that a container inherits (OCI image spec, config.md).
struct ImageConfig {
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string working_dir;
  std::string user;
  std::string stop_signal;
  std::vector<std::string> exposed_ports;  // "80/tcp"
  std::vector<std::string> volumes;        // absolute paths
  std::map<std::string, std::string> labels;
  std::optional<ImageHealthCheck> healthcheck;
};

struct Image {
  std::string id;  // sha256 of the configuration, 64 hexadecimal digits
  ImageConfig config;
  std::vector<std::string>
      layers;           // short link names in links_directory(), topmost first: overlay's order
  int64_t size = 0;     // bytes on disk of its layers
  std::string created;  // RFC 3339, as the image says
  std::string architecture;
};

// An image to be pulled.
struct ImageWish {
  std::string reference;  // as people write it
  std::string platform;   // "linux/arm64/v8"; "" is the host's
};

// What became of a wish.
struct ImageResult {
  enum class Outcome { pulled, current, failed };
  size_t index = 0;  // of the wish
  Outcome outcome = Outcome::failed;
  std::string reference;    // the store's name for it
  std::string id;           // of the image
  std::string error, hint;  // where it failed
  std::string digest = {};  // "sha256:…" of the manifest at the registry, of digests() and push()
};

// An image to be pushed: its name here, and what it is called there; "" is the same.
struct PushWish {
  std::string reference;
  std::string destination;
};

// What save() writes: `docker save`, OCI image layout, containers-transports(5) "dir".
enum class ArchiveFormat { docker_archive, oci_archive, oci_directory, docker_directory };

// What import() makes an image with.
struct ImportWish {
  std::string name;                  // "" for none
  std::vector<std::string> changes;  // instructions of a Dockerfile
  std::string message;
  std::string platform;
};

// What a pull tells while it goes on.
class PullListener {
 public:
  enum class LayerState { waiting, downloading, present, done, skipped };
  virtual ~PullListener() = default;
  // `digest`: of the blob, 64 hexadecimal digits; bytes of the blob.
  virtual void layer(const std::string& /*digest*/, LayerState /*state*/, int64_t /*received*/,
                     int64_t /*size*/) {}
  virtual void image(const ImageResult& /*result*/) {}
};

// What is removed was called so, or was this: "Untagged: nginx:1", "Deleted: sha256:…".
struct Removal {
  std::vector<std::string> untagged;
  std::vector<std::string> deleted;  // ids
  int64_t freed = 0;                 // bytes on the disk
  bool layers_left = false;          // a pull was going on: the next removal takes them
};

// Something that is not as it should be on the disk, and what mends it.
struct StoreFault {
  std::string what, cure;
};

struct LayerUse {
  std::string chain_id;
  int64_t size = 0;              // bytes of its files
  std::set<std::string> images;  // ids
};

// The ids of images that containers are made of, with a container's name each.
using ImagesInUse = std::map<std::string, std::string>;
enum class Force { no, yes };
enum class Prune { untagged, unused };

struct ImageTag {
  std::string reference;  // normalised: docker.io/library/nginx:latest
  std::string image_id;
};

// "nginx" -> "docker.io/library/nginx:latest"; "localhost/x", ports, digests and tags as docker has
// them. Throws Error with what is wrong ("repository name must be lower case").
std::string normalise_reference(const std::string& reference);
// "docker.io/library/nginx:latest" -> "nginx:latest": what people write.
std::string familiar_reference(const std::string& reference);

class ImageStore {
 public:
  // `db` outlives the store.
  ImageStore(Database& db, const Roots& roots);

  // By reference (normalised here), or by id or a unique prefix of it (at least 4 digits).
  [[nodiscard]] std::optional<Image> find(const std::string& reference);
  [[nodiscard]] std::vector<ImageTag> tags();
  [[nodiscard]] std::optional<Image> by_id(const std::string& id);

  // Whether the image of a wish is here, for its platform.
  [[nodiscard]] bool has(const ImageWish& wish);
  // When its registry was last asked for a tag. nullopt where it never was.
  [[nodiscard]] std::optional<WallTime> checked(const std::string& reference);
  // The configuration blob as it was published; nullopt where it is not kept.
  [[nodiscard]] std::optional<std::string> raw_config(const std::string& id);
  // All names of an image, normalised.
  [[nodiscard]] std::vector<std::string> names(const std::string& id);
  // "sha256:…" of the manifest that a tag had when it came; "" where it has none.
  [[nodiscard]] std::string manifest(const std::string& reference);

  // The directory that layers' short names are relative to.
  [[nodiscard]] const std::string& links_directory() const { return links_; }

  // Loads an OCI image layout directory, an OCI archive or a docker-archive tar (maybe compressed)
  // by running pcompose-images, records what it unpacked and returns the references. `name`
  // replaces the reference of a source that holds one image. Blocks. Throws Error.
  std::vector<std::string> load(const std::string& source, const std::string& name = "");

  // Pulls all of them at once, by one worker; credentials and registries are those of this user. An
  // image that fails does not stop the others: each has its result, in the order of the wishes.
  // Blocks. Throws Error where nothing could be tried.
  std::vector<ImageResult> pull(const std::vector<ImageWish>& wishes, PullListener& listener);
  // What the registries have under the names now: ImageResult::digest. Fetches and records nothing.
  // Blocks. Throws Error.
  std::vector<ImageResult> digests(const std::vector<ImageWish>& wishes);
  // Pushes all of them at once; as pull(). Throws Error where one is not here.
  std::vector<ImageResult> push(const std::vector<PushWish>& wishes, PullListener& listener);
  // Writes images to `output`: a file or a pipe, or an empty directory where the format is one.
  // Blocks. Throws Error; what was written is incomplete then.
  void save(const std::vector<std::string>& references, ArchiveFormat format, const Fd& output);
  // Makes an image of a tar (maybe compressed) or a directory and returns its id. Blocks. Throws
  // Error.
  std::string import(const Fd& source, const ImportWish& wish);
  // As load() above, from a descriptor; `shown` is what errors call it. `listener`, where there is
  // one, hears of layers that are skipped.
  std::vector<std::string> load(const Fd& source, const std::string& shown, const std::string& name,
                                PullListener* listener = nullptr);

  // Whether the credentials open the registry. Throws Error.
  void verify_login(const std::string& registry, const std::string& username,
                    const std::string& password);

  // Gives an image another name. Throws Error where there is no such image.
  void tag(const std::string& reference, const std::string& name);
  // Takes a name away, and the image with its last one; by id, the image with all its names, where
  // it has several only by force. Throws Error where a container is made of it; by force it loses
  // its names then.
  Removal remove(const std::string& reference, const ImagesInUse& in_use, Force force);
  Removal prune(const ImagesInUse& in_use, Prune what);

  // Holds the rows against the disk, both ways: what is missing or damaged, and what nobody needs.
  // Reads documents and no layer's files. Throws Error.
  std::vector<StoreFault> check();
  [[nodiscard]] std::vector<LayerUse> layers();

 private:
  std::string stored_name(const std::string& written);
  std::string name_meant(const std::string& reference, const std::string& id);
  void untag(const std::string& reference, Removal& out);
  void erase(const std::string& id, Removal& out);
  void reclaim(Removal& out);
  ImageResult record(const ImageWish& wish, PulledImage&& image);
  PullRequest request(const std::vector<ImageWish>& wishes);
  StoredImage stored(const std::string& reference);

  Database& db_;
  Roots roots_;
  std::string state_;
  std::string links_;
};

}  // namespace pcompose::engine
