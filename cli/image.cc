#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/table.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.1f}MB", static_cast<double>(bytes) / 1e6);
}

int list(const std::string& format) {
  std::vector<std::vector<std::string>> rows = {{"REPOSITORY", "TAG", "IMAGE ID", "SIZE"}};
  for (const auto& i : scheduler::view_images(Roots::from_environment())) {
    if (format == "json") {
      fmt::print("{}\n", json::serialize(json::object{{"Repository", i.repository},
                                                      {"Tag", i.tag},
                                                      {"ID", i.id},
                                                      {"Size", i.size},
                                                      {"Created", i.created}}));
    }
    rows.push_back({i.repository, i.tag, i.id.substr(0, 12), megabytes(i.size)});
  }
  if (format != "json") fmt::print("{}", format_table(rows));
  return 0;
}

int load(const std::string& source, const std::string& name) {
  for (const std::string& reference :
       scheduler::load_image(Roots::from_environment(), source, name)) {
    fmt::print("Loaded image: {}\n", reference);
  }
  return 0;
}

}  // namespace

void add_image(CLI::App& app, Globals&, Run& run) {
  CLI::App* image = app.add_subcommand("image", "Images of this root");
  image->require_subcommand(1);
  auto format = std::make_shared<std::string>("table");
  CLI::App* ls = image->add_subcommand("ls", "List images");
  ls->add_option("--format", *format, "table or json")->check(CLI::IsMember({"table", "json"}));
  ls->callback([&run, format] { run = [format] { return list(*format); }; });
  auto source = std::make_shared<std::string>(), name = std::make_shared<std::string>();
  CLI::App* l = image->add_subcommand(
      "load", "Load an OCI layout directory, an OCI archive or a docker archive");
  l->add_option("source", *source, "File or directory")->required();
  l->add_option("--name", *name, "The reference to give it");
  l->callback([&run, source, name] { run = [source, name] { return load(*source, *name); }; });
}

}  // namespace pcompose::cli
