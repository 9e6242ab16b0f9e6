#include "scheduler/view.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include "base/json.h"
#include "base/pidfd.h"
#include "compose/json.h"
#include "engine/cgroup_usage.h"
#include "engine/keeper/protocol.h"
#include "engine/namespaces.h"
#include "engine/output/log_tail.h"
#include "netns/network_store.h"
#include "scheduler/container_labels.h"
#include "scheduler/pod_id.h"
#include "volumes/volumes.h"

namespace pcompose::scheduler {
namespace {

// In a pod all ports are the pod's: a container's are those that its service publishes.
bool is_its_own(const compose::Service& service, const netns::PortRow& row) {
  return std::ranges::any_of(service.ports, [&](const compose::Port& p) {
    return p.target == row.target_port && p.protocol == netns::protocol_name(row.protocol);
  });
}

// Everything about networks, read at once: a query for each container costs more than the rest.
struct NetworkFacts {
  explicit NetworkFacts(netns::NetworkStore& store) {
    for (const auto& n : store.networks()) names[n.id] = n.name;
    for (auto& p : store.ports()) ports[p.container].push_back(std::move(p));
    for (auto& e : store.endpoints()) endpoints[e.container].push_back(std::move(e));
  }
  std::map<std::string, std::string> names;                          // by id
  std::map<std::string, std::vector<netns::PortRow>> ports;          // by container
  std::map<std::string, std::vector<netns::EndpointRow>> endpoints;  // by container
};

void add_ports(ContainerView& view, const std::vector<std::string>& exposures,
               NetworkFacts& networks, const compose::Service& service, const Roots& roots) {
  bool pod = service.network_mode == "pod";
  for (const auto& p : networks.ports[pod ? pod_id(roots, view.row.project) : view.row.id]) {
    if (pod && !is_its_own(service, p)) continue;
    view.ports.push_back(
        {p.host.str(), p.target_port, p.port, std::string(netns::protocol_name(p.protocol))});
  }
  for (const std::string& exposed : exposures) {
    size_t slash = exposed.find('/');
    auto target = static_cast<uint16_t>(std::strtoul(exposed.c_str(), nullptr, 10));
    bool known = std::any_of(view.ports.begin(), view.ports.end(),
                             [&](const auto& p) { return p.target == target; });
    std::string protocol = slash == std::string::npos ? "tcp" : exposed.substr(slash + 1);
    if (!known) view.ports.push_back({"", target, 0, protocol});
  }
}

// What the keeper wrote down about a container's end before it told anybody.
std::optional<ExitStatus> journalled_status(const std::string& run, const ContainerRow& row) {
  Fd journal(::open((run + "/exits").c_str(), O_RDONLY | O_CLOEXEC));
  if (!journal) return std::nullopt;
  std::optional<ExitStatus> found;
  keeper::JournalEntry entry;
  while (::read(journal.get(), &entry, sizeof entry) == sizeof entry) {
    if (entry.pid == row.pid && row.short_id() == std::string(entry.name).substr(2))
      found = ExitStatus(entry.status);
  }
  return found;
}

// False where nobody knows how it ended.
bool hold_against_kernel(const std::string& run, ContainerRow& row) {
  if ((row.status != Status::running && row.status != Status::paused) || row.pid == 0) return true;
  auto start = process_start_time(row.pid);
  if (start && *start == row.pid_start) return true;
  row.status = Status::exited;
  auto status = journalled_status(run, row);
  row.exit_code = status ? status->code() : 255;
  if (!status) row.error = "ended while nobody looked after it";
  return status.has_value();
}

struct HeldRow {
  ContainerRow row;
  bool unsettled = false;
};

// A process is gone a moment before its keeper has written down how it ended: that moment is waited
// for, a tenth of a second at most.
std::vector<HeldRow> held_rows(StateStore& store, const std::string& run,
                               const std::string& project) {
  for (int attempt = 0;; ++attempt) {
    std::vector<HeldRow> out;
    bool settled = true;
    for (auto& row : store.containers(project)) {
      bool known = hold_against_kernel(run, row);
      settled = settled && known;
      out.push_back({std::move(row), !known});
    }
    if (settled || attempt == 10) return out;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

std::vector<ContainerView> view_project(const Roots& roots, const std::string& project) {
  std::vector<ContainerView> out;
  if (::access(roots.database().c_str(), F_OK) != 0) return out;
  Database db(roots.database());
  StateStore store(db, boot_id());
  netns::NetworkStore network_rows(db, boot_id());
  engine::ImageStore images(db, roots);
  auto rows = held_rows(store, roots.project_run(project), project);
  SQLite::Transaction snapshot(db.get());  // locks once, not for each question
  NetworkFacts networks(network_rows);
  ProjectRow of_project = store.project(project).value_or(ProjectRow{});
  std::map<std::string, std::optional<engine::Image>> known;  // by id
  for (auto& held : rows) {
    ContainerView view;
    view.row = std::move(held.row);
    view.unsettled = held.unsettled;
    compose::Service service = compose::service_from_json(json::parse(view.row.service_json));
    view.labels = container_labels(view.row, service, of_project);
    for (const auto& m : service.volumes) {
      bool named = m.type == compose::MountType::volume && !m.source.empty();
      if (named) view.volumes.insert(m.source);
    }
    view.log_directory = roots.state + "/containers/" + view.row.id + "/log";
    if (view.row.status == Status::running || view.row.status == Status::paused) {
      std::vector<std::string> exposures = service.expose;
      const std::string& id = view.row.image_id;
      if (!known.contains(id)) known[id] = images.by_id(id);
      if (const auto& image = known[id]) {
        const auto& of_image = image->config.exposed_ports;
        exposures.insert(exposures.end(), of_image.begin(), of_image.end());
      }
      add_ports(view, exposures, networks, service, roots);
    }
    for (const auto& e : networks.endpoints[view.row.id])
      view.networks.push_back(networks.names[e.network]);
    out.push_back(std::move(view));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.row.name < b.row.name; });
  return out;
}

std::vector<ProjectView> view_projects(const Roots& roots) {
  std::vector<ProjectView> out;
  if (::access(roots.database().c_str(), F_OK) != 0) return out;
  Database db(roots.database());
  StateStore store(db, boot_id());
  for (const auto& row : store.projects()) {
    ProjectView view{row.name, row.config_files, {}};
    for (auto& container : store.containers(row.name)) {
      hold_against_kernel(roots.project_run(row.name), container);
      ++view.states[status_name(container.status)];
    }
    out.push_back(std::move(view));
  }
  return out;
}

std::vector<VolumeView> view_volumes(const Roots& roots, const std::string& project) {
  std::vector<VolumeView> out;
  if (::access(roots.database().c_str(), F_OK) != 0) return out;
  Database db(roots.database());
  volumes::VolumeStore store(db, roots);
  for (const auto& v : store.of_project(project))
    out.push_back({v.name, v.key, store.data_path(v.name), v.labels});
  return out;
}

std::vector<pid_t> processes_of(const ContainerRow& row) {
  auto found = engine::processes_in_group(row.pid, row.short_id());
  return found.empty() ? engine::processes_in_namespace_of(row.pid) : found;
}

struct LogFollower::State {
  engine::LogReader reader;
};

LogFollower::LogFollower(const std::string& log_directory)
    : state_(std::make_unique<State>(engine::LogReader(log_directory))) {}
LogFollower::LogFollower(LogFollower&&) noexcept = default;
LogFollower::~LogFollower() = default;

void LogFollower::read_new(const std::function<void(const LogLine&)>& sink) {
  state_->reader.read_new([&](const engine::LogLine& line) {
    sink({line.time, line.text, line.stream == engine::Stream::err});
  });
}

std::optional<compose::Project> stored_project(const Roots& roots, const std::string& project) {
  if (::access(roots.database().c_str(), F_OK) != 0) return std::nullopt;
  Database db(roots.database());
  StateStore store(db, boot_id());
  auto row = store.project(project);
  if (!row) return std::nullopt;
  return compose::project_from_json(json::parse(row->json));
}

std::vector<ImageView> view_images(const Roots& roots) {
  Database db(roots.database());
  engine::ImageStore store(db, roots);
  std::vector<ImageView> out;
  for (const auto& tag : store.tags()) {
    auto image = store.by_id(tag.image_id);
    if (!image) continue;
    std::string familiar = engine::familiar_reference(tag.reference);
    size_t colon = familiar.rfind(':');
    bool tagged = colon != std::string::npos && familiar.find('/', colon) == std::string::npos;
    out.push_back({tagged ? familiar.substr(0, colon) : familiar,
                   tagged ? familiar.substr(colon + 1) : "<none>", image->id, image->size,
                   image->created});
  }
  return out;
}

std::vector<std::string> load_image(const Roots& roots, const std::string& source,
                                    const std::string& name) {
  Database db(roots.database());
  engine::ImageStore store(db, roots);
  return store.load(source, name);
}

}  // namespace pcompose::scheduler
