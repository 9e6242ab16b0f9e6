#include "cli/image_archive.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "scheduler/image_transfer.h"

namespace pcompose::cli {
namespace {

using engine::ArchiveFormat;

const std::map<std::string, ArchiveFormat> kFormats = {
    {"docker-archive", ArchiveFormat::docker_archive},
    {"oci-archive", ArchiveFormat::oci_archive},
    {"oci-dir", ArchiveFormat::oci_directory},
    {"docker-dir", ArchiveFormat::docker_directory}};

struct SaveFlags {
  std::vector<std::string> references;
  std::string output, format = "docker-archive";
};

bool is_directory_format(ArchiveFormat format) {
  return format == ArchiveFormat::oci_directory || format == ArchiveFormat::docker_directory;
}

// "-" and "" are stdin.
Fd open_source(const std::string& source) {
  if (!source.empty() && source != "-") return open_file(source, O_RDONLY);
  if (::isatty(STDIN_FILENO) == 1) {
    throw Error("stdin is a terminal, and no archive")
        .hint("name a file or a directory, or redirect one: < image.tar");
  }
  Fd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10));
  if (!in) throw Error::from_errno("stdin");
  return in;
}

void save_directory(const SaveFlags& flags, ArchiveFormat format) {
  if (flags.output.empty()) throw Error(flags.format + " needs -o DIRECTORY");
  if (::mkdir(flags.output.c_str(), 0755) != 0 && errno != EEXIST)
    throw Error::from_errno("make " + flags.output);
  if (!std::filesystem::is_empty(flags.output))
    throw Error(flags.output + " is not empty").hint("name a new directory");
  Fd directory = open_file(flags.output, O_RDONLY | O_DIRECTORY);
  scheduler::save_images(Roots::from_environment(), flags.references, format, directory);
}

// Beside, and renamed when it is complete.
void save_file(const SaveFlags& flags, ArchiveFormat format) {
  std::string unfinished = flags.output + ".tmp-" + std::to_string(::getpid());
  Fd file = open_file(unfinished, O_WRONLY | O_CREAT | O_EXCL, 0644);
  try {
    scheduler::save_images(Roots::from_environment(), flags.references, format, file);
    if (::rename(unfinished.c_str(), flags.output.c_str()) != 0)
      throw Error::from_errno("rename " + unfinished + " to " + flags.output);
  } catch (...) {
    ::unlink(unfinished.c_str());
    throw;
  }
}

int save(const SaveFlags& flags) {
  ArchiveFormat format = kFormats.at(flags.format);
  struct stat status{};
  bool there = !flags.output.empty() && ::stat(flags.output.c_str(), &status) == 0;
  if (is_directory_format(format)) {
    save_directory(flags, format);
  } else if (there && !S_ISREG(status.st_mode)) {  // a pipe or a device is written to as it is
    scheduler::save_images(Roots::from_environment(), flags.references, format,
                           open_file(flags.output, O_WRONLY));
  } else if (!flags.output.empty()) {
    save_file(flags, format);
  } else {
    if (::isatty(STDOUT_FILENO) == 1)
      throw Error("an archive is nothing for a terminal").hint("name a file with -o");
    Fd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
    if (!out) throw Error::from_errno("stdout");
    scheduler::save_images(Roots::from_environment(), flags.references, format, out);
  }
  return 0;
}

// What is missing is said even where nothing else is.
struct LoadWarnings final : engine::PullListener {
  void layer(const std::string& digest, LayerState state, int64_t, int64_t) override {
    if (state == LayerState::skipped)
      fmt::print(stderr, "warning: layer {} is skipped: it may not be distributed\n",
                 digest.substr(0, 12));
  }
};

int load(const std::string& source, const std::string& name, bool quiet) {
  bool from_stdin = source.empty() || source == "-";
  LoadWarnings warnings;
  try {
    for (const std::string& reference :
         scheduler::load_image(Roots::from_environment(), open_source(source),
                               from_stdin ? "stdin" : source, name, warnings)) {
      if (!quiet) fmt::print("Loaded image: {}\n", reference);
    }
  } catch (Error& e) {
    throw e.add("load " + (from_stdin ? "stdin" : source));
  }
  return 0;
}

int import(const std::string& source, const engine::ImportWish& wish) {
  try {
    fmt::print("sha256:{}\n",
               scheduler::import_image(Roots::from_environment(), open_source(source), wish));
  } catch (Error& e) {
    throw e.add("import " + (source == "-" ? "stdin" : source));
  }
  return 0;
}

void add_load(CLI::App* image, Run& run) {
  struct Flags {
    std::string source, input, name;
    bool quiet = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* c = image->add_subcommand(
      "load", "Load what save, docker, podman or skopeo wrote: an archive, a layout, stdin");
  auto* source = c->add_option("source", flags->source, "File or directory; stdin if left out");
  c->add_option("-i,--input", flags->input, "The same")->excludes(source);
  c->add_option("--name", flags->name, "The reference to give it");
  c->add_flag("-q,--quiet", flags->quiet, "Print nothing");
  c->callback([&run, flags] {
    run = [flags] {
      return load(flags->input.empty() ? flags->source : flags->input, flags->name, flags->quiet);
    };
  });
}

void add_import(CLI::App* image, Run& run) {
  struct Flags {
    std::string source;
    engine::ImportWish wish;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* c = image->add_subcommand(
      "import", "Make an image of one layer from a tar or a directory; prints its id");
  c->add_option("source", flags->source, "File, directory, or - for stdin")->required();
  c->add_option("reference", flags->wish.name, "The reference to give it");
  c->add_option("-c,--change", flags->wish.changes,
                "An instruction, as in a Dockerfile: CMD, ENV …")
      ->allow_extra_args(false);
  c->add_option("-m,--message", flags->wish.message, "For the image's history");
  c->add_option("--platform", flags->wish.platform, "os/architecture[/variant]");
  c->callback([&run, flags] { run = [flags] { return import(flags->source, flags->wish); }; });
}

}  // namespace

void add_image_archives(CLI::App* image, Run& run) {
  add_load(image, run);
  add_import(image, run);
  auto flags = std::make_shared<SaveFlags>();
  CLI::App* c = image->add_subcommand("save", "Write images to an archive, or stdout");
  c->add_option("images", flags->references, "References or ids")->required();
  c->add_option("-o,--output", flags->output, "File or directory");
  c->add_option("--format", flags->format, "docker-archive, oci-archive, oci-dir or docker-dir")
      ->check(CLI::IsMember({"docker-archive", "oci-archive", "oci-dir", "docker-dir"}));
  c->callback([&run, flags] { run = [flags] { return save(*flags); }; });
}

}  // namespace pcompose::cli
