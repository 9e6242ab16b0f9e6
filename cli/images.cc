#include "scheduler/images.h"

#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/moment.h"
#include "cli/table.h"

namespace pcompose::cli {
namespace {

struct ImagesFlags {
  std::string format = "table";
  bool quiet = false;
  std::vector<std::string> services;
};

struct Row {
  std::string container, repository, tag, id, platform, created;
  int64_t size = 0;
};

Row row_of(const Roots& roots, const scheduler::ContainerRow& container) {
  Row row{container.name, container.image, "", container.image_id, "", "", 0};
  size_t colon = row.repository.rfind(':');
  if (colon != std::string::npos && !row.repository.substr(colon).contains('/')) {
    row.tag = row.repository.substr(colon + 1);
    row.repository.resize(colon);
  } else {
    row.tag = "latest";
  }
  try {
    auto details = scheduler::inspect_image(roots, container.image_id);
    row.platform = "linux/" + details.image.architecture;
    row.created = details.image.created;
    row.size = details.image.size;
  } catch (const Error&) {
    row.platform = "gone";  // removed by force
  }
  return row;
}

// A digest-only or foreign image may not say when it was made.
std::string age_of(const std::string& created) {
  try {
    int64_t now = now_ns(), then = parse_moment(created, "created", now);
    return words_of_duration((now - then) / 1'000'000'000) + " ago";
  } catch (const Error&) {
    return "N/A";
  }
}

void print_json(const std::vector<Row>& rows) {
  json::array out;
  for (const Row& r : rows) {
    out.push_back(json::object{{"ID", "sha256:" + r.id},
                               {"ContainerName", r.container},
                               {"Repository", r.repository},
                               {"Tag", r.tag},
                               {"Platform", r.platform},
                               {"Size", r.size},
                               {"Created", r.created}});
  }
  fmt::print("{}\n", json::serialize(out));
}

int images(const Globals& globals, const ImagesFlags& flags) {
  Roots roots = Roots::from_environment();
  std::set<std::string> wanted(flags.services.begin(), flags.services.end());
  std::vector<Row> rows;
  for (const auto& view : scheduler::view_project(roots, project_name(globals))) {
    if (wanted.empty() || wanted.contains(view.row.service))
      rows.push_back(row_of(roots, view.row));
  }
  if (flags.quiet) {
    std::set<std::string> ids;
    for (const Row& r : rows) ids.insert(r.id);
    for (const std::string& id : ids) fmt::print("{}\n", id);
    return 0;
  }
  if (flags.format == "json") {
    print_json(rows);
    return 0;
  }
  std::vector<std::vector<std::string>> table = {
      {"CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"}};
  for (const Row& r : rows) {
    table.push_back({r.container, r.repository, r.tag, r.platform, r.id.substr(0, 12),
                     megabytes(r.size), age_of(r.created)});
  }
  fmt::print("{}", format_table(table));
  return 0;
}

}  // namespace

void add_images(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<ImagesFlags>();
  CLI::App* c = app.add_subcommand("images", "List the images of the project's containers");
  c->add_option("--format", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  c->add_flag("-q,--quiet", flags->quiet, "Only ids");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return images(globals, *flags); }; });
}

}  // namespace pcompose::cli
