// Ports: the short form becomes the long one, a range becomes many.
#include <algorithm>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/interpolate.h"
#include "compose/port_syntax.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

Node long_form(const PortSpec& spec, const OriginPtr& origin) {
  Node port = make_mapping(origin);
  port.set("mode", make_string("ingress", origin));
  if (!spec.host_ip.empty()) port.set("host_ip", make_string(spec.host_ip, origin));
  port.set("target", make_integer(spec.target, origin));
  if (!spec.published.empty()) port.set("published", make_string(spec.published, origin));
  port.set("protocol", make_string(spec.protocol, origin));
  return port;
}

}  // namespace

bool Canonicalizer::ports(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  std::vector<Node> out;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    std::string at = at_index(path, i);
    if (item.tag == MergeTag::reset) continue;
    if (item.is(Kind::mapping)) {
      object(item, *attribute.object, at);
      if (long_port(item, at)) out.push_back(std::move(item));
      continue;
    }
    if (!text(item, at)) continue;
    auto specs = parse_port(item.text);
    if (!specs && options_.raw && has_variable(item.text)) {
      out.push_back(std::move(item));
      continue;
    }
    if (!specs) {
      fail(item, at, specs.error());
      continue;
    }
    for (const PortSpec& spec : *specs) out.push_back(long_form(spec, item.origin));
  }
  node.items = std::move(out);
  return true;
}

bool Canonicalizer::long_port(Node& node, const std::string& path) {
  const Node* target = node.find("target");
  if (target == nullptr) return false;
  if (options_.raw && std::ranges::any_of(node.entries, [](const Entry& entry) {
        return has_variable(entry.value.text);
      }))
    return true;
  if (!parse_port_range(target->text)) {
    return fail(*target, below(path, "target"),
                fmt::format("{} is no port (1 to 65535)", target->text));
  }
  if (const Node* published = node.find("published"); published != nullptr) {
    if (published->text.empty()) {
      node.erase("published");
    } else if (published->text != "0" && !parse_port_range(published->text)) {
      return fail(*published, below(path, "published"),
                  fmt::format("\"{}\" is no port (1 to 65535, or a range)", published->text));
    }
  }
  if (const Node* ip = node.find("host_ip");
      ip != nullptr && !ip->text.empty() && !is_ip_address(ip->text)) {
    return fail(*ip, below(path, "host_ip"), fmt::format("\"{}\" is no IP address", ip->text));
  }
  if (node.find("mode") == nullptr) node.set("mode", make_string("ingress", node.origin));
  if (node.find("protocol") == nullptr) node.set("protocol", make_string("tcp", node.origin));
  Node& protocol = *node.find("protocol");
  if (protocol.text != "tcp" && protocol.text != "udp" && protocol.text != "sctp") {
    return fail(protocol, below(path, "protocol"),
                fmt::format("\"{}\" is none of tcp, udp, sctp", protocol.text));
  }
  return true;
}

}  // namespace pcompose::compose
