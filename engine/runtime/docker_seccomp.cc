#include "engine/runtime/docker_seccomp.h"

#include <algorithm>
#include <cstdio>
#include <sys/utsname.h>

#include "engine/runtime/config.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "";
#endif

bool kernel_is_at_least(const std::string& wanted) {
  utsname name{};
  int have[2] = {0, 0}, want[2] = {0, 0};
  if (::uname(&name) != 0) return false;
  if (std::sscanf(name.release, "%d.%d", &have[0], &have[1]) != 2) return false;
  if (std::sscanf(wanted.c_str(), "%d.%d", &want[0], &want[1]) < 1) return false;
  return have[0] != want[0] ? have[0] > want[0] : have[1] >= want[1];
}

bool has_capability(const std::string& name, CapabilitySet set) {
  auto number = capability_number(name);
  return number && (set >> static_cast<unsigned>(*number) & 1U) != 0;
}

// Every condition of `includes` holds, none of `excludes`.
bool applies(const JsonNode& rule, CapabilitySet set) {
  auto has = [&](const std::string& cap) { return has_capability(cap, set); };
  auto here = [](const std::string& architecture) { return architecture == kArchitecture; };
  if (auto includes = rule.get("includes")) {
    auto caps = includes->texts("caps"), architectures = includes->texts("arches");
    std::string kernel = includes->text("minKernel");
    if (!std::ranges::all_of(caps, has)) return false;
    if (!architectures.empty() && std::ranges::none_of(architectures, here)) return false;
    if (!kernel.empty() && !kernel_is_at_least(kernel)) return false;
  }
  if (auto excludes = rule.get("excludes")) {
    auto caps = excludes->texts("caps"), architectures = excludes->texts("arches");
    std::string kernel = excludes->text("minKernel");
    if (std::ranges::any_of(caps, has) || std::ranges::any_of(architectures, here)) return false;
    if (!kernel.empty() && kernel_is_at_least(kernel)) return false;
  }
  return true;
}

json::object without_conditions(const JsonNode& rule, const json::object& whole) {
  json::object out = whole;
  std::string name = rule.text("name");  // the older form with one name
  if (!name.empty()) out["names"] = json::array{name};
  return out;
}

}  // namespace

SeccompProfile parse_docker_seccomp(const JsonNode& node, CapabilitySet capabilities) {
  json::object plain;
  plain["defaultAction"] = node.needed_text("defaultAction");
  if (auto number = node.number<uint32_t>("defaultErrnoRet")) plain["defaultErrnoRet"] = *number;
  json::array architectures, rules;
  for (const std::string& a : node.texts("architectures")) architectures.emplace_back(a);
  for (const JsonNode& map : node.items("archMap")) {
    constexpr std::string_view native =
        kArchitecture == "amd64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
    if (map.needed_text("architecture") != native) continue;
    architectures.emplace_back(native);
    for (const std::string& a : map.texts("subArchitectures")) architectures.emplace_back(a);
  }
  plain["architectures"] = std::move(architectures);
  for (const JsonNode& rule : node.items("syscalls")) {
    if (applies(rule, capabilities))
      rules.push_back(without_conditions(rule, rule.value().as_object()));
  }
  plain["syscalls"] = std::move(rules);
  json::value document = std::move(plain);
  return parse_seccomp(JsonNode(document, node.place()));
}

}  // namespace pcompose::engine::runtime
