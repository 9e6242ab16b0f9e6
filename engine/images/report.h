// What pcompose-images tells the program that started it, and where its descriptors are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::engine {

// Descriptors of `pcompose-images load`.
constexpr int kSourceFd = 3;  // a directory or a file
constexpr int kStoreFd = 4;   // the root's state directory
constexpr int kReportFd = 5;  // one JSON object a line, the last one says "done" or "error"

constexpr size_t kMaxReportBytes = 64U << 20U;

struct LoadedLayer {
  std::string chain_id;  // 64 hexadecimal digits
  std::string diff_id;   // the same
  int64_t size = 0;      // bytes of the files
};

struct LoadedImage {
  std::vector<std::string> references;  // as the source has them: "nginx:1", or a bare tag ":1"
  std::string manifest;                 // "sha256:…", "" where the format has no manifest blob
  std::string config_digest;            // "sha256:…"
  std::string config;                   // the raw blob
  std::vector<LoadedLayer> layers;      // bottom first
};

std::string report_line(const LoadedImage& image);
std::string report_done();
std::string report_error(const std::string& message, const std::string& hint);

// All lines. Throws the worker's Error, or one that says that the report is cut off.
std::vector<LoadedImage> read_report(std::string_view lines);

// OCI image spec, config.md, "Layer ChainID": all as 64 hexadecimal digits; `parent` "" at the
// bottom.
std::string chain_id(const std::string& parent, const std::string& diff_id);
// The name of a layer under links_directory(): 26 characters, so that 127 layers fit into the page
// of options that mount(2) takes.
std::string link_name(const std::string& chain_id);

}  // namespace pcompose::engine
