// What pcompose-images tells the program that started it, and where its descriptors are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::engine {

// Descriptors of pcompose-images. `load` and `import`:
constexpr int kSourceFd = 3;  // a directory, a file or a pipe
// `pull`, `push` and `save`:
constexpr int kRequestFd = 3;  // pull_request.h, push_request.h
// `save` writes to a directory, a file or a pipe; `import` has its request there.
constexpr int kSecondFd = 6;
// All:
constexpr int kStoreFd = 4;   // the root's state directory
constexpr int kReportFd = 5;  // one JSON object a line, the last one says "done" or "error"

constexpr size_t kMaxReportBytes = 64U << 20U;

// A blob that a layer comes in.
struct LayerBlob {
  std::string digest;  // "sha256:…"; "" where there was none
  int64_t size = 0;
  std::string media_type;
};

struct LoadedLayer {
  std::string chain_id;  // 64 hexadecimal digits
  std::string diff_id;   // the same
  int64_t size = 0;      // bytes of the files
  LayerBlob blob = {};
};

struct LoadedImage {
  std::vector<std::string> references;    // as the source has them: "nginx:1", or a bare tag ":1"
  std::string manifest;                   // "sha256:…", "" where the format has no manifest blob
  std::string image_manifest;             // that of the image itself, where that is an index's
  std::string config_digest;              // "sha256:…"
  std::string config;                     // the raw blob
  std::vector<LoadedLayer> layers;        // bottom first
  std::vector<std::string> skipped = {};  // blobs of layers that may not be distributed
};

// How far a layer is.
struct LayerProgress {
  enum class State { waiting, downloading, present, done, skipped };
  std::string digest;  // of the blob, 64 hexadecimal digits
  State state = State::waiting;
  int64_t received = 0;  // bytes of the blob
  int64_t size = 0;
};

// What became of one image of a PullRequest.
struct PulledImage {
  enum class Outcome { pulled, current, failed };
  size_t index = 0;  // in PullRequest::images
  Outcome outcome = Outcome::failed;
  std::string reference;  // of the candidate that it came from; what the store calls it
  LoadedImage image;      // where it was pulled
  std::string error, hint;
};

std::string report_line(const LoadedImage& image);
std::string report_line(const LayerProgress& progress);
std::string report_line(const PulledImage& image);
std::string report_done();
std::string report_error(const std::string& message, const std::string& hint);

// Takes lines of a report as they come.
class ReportReader {
 public:
  virtual ~ReportReader() = default;
  // All lines of a report that begin in `text`; what is left of the last one comes again. Throws
  // the worker's Error.
  void add(std::string_view text);
  [[nodiscard]] bool done() const { return done_; }

 protected:
  virtual void loaded(LoadedImage&& /*image*/) {}
  virtual void progress(const LayerProgress& /*progress*/) {}
  virtual void pulled(PulledImage&& /*image*/) {}

 private:
  void line(std::string_view text);
  std::string rest_;
  bool done_ = false;
};

// All lines. Throws the worker's Error, or one that says that the report is cut off.
std::vector<LoadedImage> read_report(std::string_view lines);

// OCI image spec, config.md, "Layer ChainID": all as 64 hexadecimal digits; `parent` "" at the
// bottom.
std::string chain_id(const std::string& parent, const std::string& diff_id);
// The name of a layer under links_directory(): 26 characters, so that 127 layers fit into the page
// of options that mount(2) takes.
std::string link_name(const std::string& chain_id);

}  // namespace pcompose::engine
