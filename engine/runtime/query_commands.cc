// state, list, ps, spec, features.
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/runtime/commands.h"
#include "engine/runtime/documents.h"
#include "engine/runtime/json_text.h"
#include "engine/runtime/state.h"

namespace pcompose::engine::runtime {
namespace {

int state(Globals& g, const std::string& id) {
  StateDirectory directory = StateDirectory::open(g.root, id);
  ContainerRecord record = directory.load();
  auto document = json::parse(state_document(record, status_of(directory, record)));
  write_all(1, indented_json(document));
  return 0;
}

struct ListOptions {
  std::string id, format = "table";
  bool quiet = false;
  [[nodiscard]] Format kind() const { return format == "json" ? Format::json : Format::table; }
};

int list(Globals& g, const ListOptions& o) {
  if (!o.quiet) {
    write_all(1, list_document(g.root, o.kind()));
    return 0;
  }
  for (const std::string& id : StateDirectory::list(g.root)) write_all(1, id + "\n");
  return 0;
}

struct SpecOptions {
  std::string bundle = ".";
  bool rootless = false;
};

int spec(const SpecOptions& o) {
  std::string path = o.bundle + "/config.json";
  Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  write_all(fd.get(), default_config(o.rootless ? Rootless::yes : Rootless::no));
  return 0;
}

void add_format(CLI::App* c, ListOptions& o) {
  c->add_option("-f,--format", o.format, "table or json")->check(CLI::IsMember({"table", "json"}));
}

}  // namespace

void add_query_commands(CLI::App& app, Globals& g, Command& command) {
  auto id = std::make_shared<std::string>();
  CLI::App* s = app.add_subcommand("state", "Print the state of a container");
  s->add_option("ID", *id)->required();
  s->callback([&, id] { command = [&g, id] { return state(g, *id); }; });
  auto list_options = std::make_shared<ListOptions>();
  CLI::App* l = app.add_subcommand("list", "Print all containers");
  add_format(l, *list_options);
  l->add_flag("-q,--quiet", list_options->quiet, "Their names alone");
  l->callback(
      [&, list_options] { command = [&g, list_options] { return list(g, *list_options); }; });
  auto ps = std::make_shared<ListOptions>();
  CLI::App* p = app.add_subcommand("ps", "Print the processes of a container");
  add_format(p, *ps);
  p->add_option("ID", ps->id)->required();
  p->callback([&, ps] {
    command = [&g, ps] {
      write_all(1, processes_document(g.root, ps->id, ps->kind()));
      return 0;
    };
  });
  auto spec_options = std::make_shared<SpecOptions>();
  CLI::App* w = app.add_subcommand("spec", "Write a config.json to begin with");
  w->add_option("-b,--bundle", spec_options->bundle, "Directory of the bundle");
  w->add_flag("--rootless", spec_options->rootless, "For an ordinary user");
  w->callback([&, spec_options] { command = [spec_options] { return spec(*spec_options); }; });
  app.add_subcommand("features", "Print what this runtime carries out")->callback([&] {
    command = [] {
      write_all(1, features_document());
      return 0;
    };
  });
}

}  // namespace pcompose::engine::runtime
