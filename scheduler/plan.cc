#include "scheduler/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scheduler/observed.h"

namespace pcompose::scheduler {
namespace {

struct Describe {
  std::string operator()(const CreateNetwork& o) const { return "create network " + o.name; }
  std::string operator()(const CreateVolume& o) const {
    return (o.exists ? "relabel volume " : "create volume ") + o.name;
  }
  std::string operator()(const CreateContainer& o) const {
    return "create container " + o.replica.name + (o.new_volumes ? " with new volumes" : "");
  }
  std::string operator()(const PrepareContainer& o) const {
    return "prepare container " + o.replica.name;
  }
  std::string operator()(const StartContainer& o) const {
    return "start container " + o.replica.name;
  }
  std::string operator()(const AwaitCondition& o) const {
    static constexpr const char* kWords[] = {"started", "healthy", "completed successfully",
                                             "begun to listen"};
    return fmt::format("wait until {} has {}{}{}", o.service,
                       o.condition == compose::Condition::service_healthy ? "become " : "",
                       kWords[static_cast<int>(o.condition)], o.required ? "" : " or failed");
  }
  std::string operator()(const AwaitEnd& o) const {
    return fmt::format("wait until {} has completed successfully", o.replica.name);
  }
  std::string operator()(const AwaitReady& o) const {
    return fmt::format("wait until {} is ready", o.service);
  }
  std::string operator()(const StopContainer& o) const {
    return "stop container " + o.replica.name;
  }
  std::string operator()(const KillContainer& o) const {
    return "kill container " + o.replica.name;
  }
  std::string operator()(const PauseContainer& o) const {
    return "pause container " + o.replica.name;
  }
  std::string operator()(const UnpauseContainer& o) const {
    return "unpause container " + o.replica.name;
  }
  std::string operator()(const RemoveContainer& o) const {
    return "remove container " + o.replica.name;
  }
  std::string operator()(const RemoveNetwork& o) const { return "remove network " + o.name; }
  std::string operator()(const RemoveVolume& o) const { return "remove volume " + o.name; }
};

}  // namespace

const char* status_name(Status status) {
  switch (status) {
    case Status::created:
      return "created";
    case Status::running:
      return "running";
    case Status::restarting:
      return "restarting";
    case Status::paused:
      return "paused";
    case Status::exited:
      break;
  }
  return "exited";
}

Status status_from_name(const std::string& name) {
  for (Status s : {Status::created, Status::running, Status::restarting, Status::paused}) {
    if (name == status_name(s)) return s;
  }
  return Status::exited;
}

std::string describe(const Operation& operation) { return std::visit(Describe{}, operation); }

OperationParts parts_of(const Operation& operation) {
  // "wait until NAME …" aside, a description is verb, kind and name.
  if (const auto* o = std::get_if<AwaitCondition>(&operation))
    return {"await", "service", o->service};
  if (const auto* o = std::get_if<AwaitReady>(&operation)) return {"await", "service", o->service};
  if (const auto* o = std::get_if<AwaitEnd>(&operation))
    return {"await", "container", o->replica.name};
  if (const auto* o = std::get_if<CreateContainer>(&operation))
    return {"create", "container", o->replica.name};
  std::string text = describe(operation);
  size_t first = text.find(' ');
  size_t second = text.find(' ', first + 1);
  return {text.substr(0, first), text.substr(first + 1, second - first - 1),
          text.substr(second + 1)};
}

std::string Plan::str() const {
  std::string out;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& n = nodes[i];
    out += fmt::format("{} {}", i, describe(n.operation));
    if (!n.cause.empty()) out += " (" + n.cause + ")";
    if (!n.after.empty()) out += fmt::format(" after {}", fmt::join(n.after, " "));
    out += "\n";
  }
  return out;
}

json::array to_json(const Plan& plan) {
  json::array out;
  for (const Node& n : plan.nodes) {
    OperationParts parts = parts_of(n.operation);
    out.push_back(json::object{{"verb", parts.verb},
                               {"kind", parts.kind},
                               {"name", parts.name},
                               {"cause", n.cause},
                               {"after", json::array(n.after.begin(), n.after.end())}});
  }
  return out;
}

}  // namespace pcompose::scheduler
