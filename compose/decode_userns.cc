// userns_mode, and what a container in a user namespace of its own cannot have.
#include <fmt/format.h>

#include "compose/decode_service.h"
#include "compose/userns_mode.h"

namespace pcompose::compose {
namespace {

bool is_another_s(std::string_view text) {
  return text == "host" || text.starts_with("service:") || text.starts_with("container:");
}

}  // namespace

void ServiceDecoder::user_namespace(const Node& node) {
  const Node* written = node.find("userns_mode");
  if (written == nullptr) return;
  auto mode = parse_userns_mode(written->text);
  if (!mode) {
    return cannot(*written, "userns_mode", fmt::format("\"{}\"", written->text),
                  "host, auto, auto:size=N, keep-id or keep-id:uid=N,gid=N");
  }
  if (mode->kind == UsernsMode::Kind::host) return;
  auto conflict = [&](const Node& at, const char* key, const char* why) {
    error(at, key,
          fmt::format("cannot be had with userns_mode: {}: {}; remove one of the two",
                      written->text, why));
  };
  for (const char* key : {"network_mode", "pid", "ipc", "uts", "cgroup"}) {
    const Node* other = node.find(key);
    if (other != nullptr && is_another_s(other->text))
      conflict(*other, key, "its user namespace has no rights in that of others");
  }
  if (node.flag("privileged"))
    conflict(*node.find("privileged"), "privileged",
             "what it allows belongs to the machine's root");
  const Node* runtime = node.find("runtime");
  if (runtime != nullptr && !runtime->text.empty() && runtime->text != "pcompose")
    conflict(*runtime, "runtime", "other runtimes do not make it");
  if (const Node* volumes = node.find("volumes")) {
    for (const Node& item : volumes->items) {
      if (item.text_of("type") == "image")
        conflict(item, "volumes", "the owners of an image's files cannot be shown through it");
    }
  }
  const Node* score = node.find("oom_score_adj");
  if (score != nullptr && score->text.starts_with('-'))
    conflict(*score, "oom_score_adj", "only the machine's root may lower it");
}

}  // namespace pcompose::compose
