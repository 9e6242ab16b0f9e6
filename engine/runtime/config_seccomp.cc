#include <fmt/format.h>

#include "engine/runtime/config.h"

namespace pcompose::engine::runtime {
namespace {

SeccompArgument parse_argument(const JsonNode& node) {
  SeccompArgument a;
  a.index = node.needed_number<uint32_t>("index");
  if (a.index > 5) node.fail_at("index", "lies outside 0 to 5");
  a.value = node.number<uint64_t>("value").value_or(0);
  a.value_two = node.number<uint64_t>("valueTwo").value_or(0);
  a.op = node.needed_text("op");
  return a;
}

SeccompRule parse_seccomp_rule(const JsonNode& node) {
  SeccompRule rule;
  rule.names = node.texts("names");
  if (rule.names.empty()) node.fail_at("names", "is missing");
  rule.action = node.needed_text("action");
  rule.errno_return = node.number<uint32_t>("errnoRet");
  for (const JsonNode& argument : node.items("args"))
    rule.arguments.push_back(parse_argument(argument));
  return rule;
}

}  // namespace

SeccompProfile parse_seccomp(const JsonNode& node) {
  SeccompProfile p;
  p.default_action = node.needed_text("defaultAction");
  p.default_errno = node.number<uint32_t>("defaultErrnoRet");
  p.architectures = node.texts("architectures");
  p.flags = node.texts("flags");
  p.listener_path = node.text("listenerPath");
  p.listener_metadata = node.text("listenerMetadata");
  if (p.listener_path.empty() && !p.listener_metadata.empty())
    node.fail_at("listenerMetadata", "wants listenerPath");
  for (const JsonNode& rule : node.items("syscalls")) p.rules.push_back(parse_seccomp_rule(rule));
  return p;
}

}  // namespace pcompose::engine::runtime
