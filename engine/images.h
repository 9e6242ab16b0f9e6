// Images of a root, as the rest of the engine uses them: rows of the database and directories of
// layers. Loading and unpacking happen in pcompose-images, a program of its own (images/): it reads
// what strangers wrote.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/roots.h"

namespace pcompose::engine {

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

  // The directory that layers' short names are relative to.
  [[nodiscard]] const std::string& links_directory() const { return links_; }

  // Loads an OCI image layout directory, an OCI archive or a docker-archive tar (maybe compressed)
  // by running pcompose-images, records what it unpacked and returns the references. `name`
  // replaces the reference of a source that holds one image. Blocks. Throws Error.
  std::vector<std::string> load(const std::string& source, const std::string& name = "");

 private:
  Database& db_;
  std::string state_;
  std::string links_;
};

}  // namespace pcompose::engine
