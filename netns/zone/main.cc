// pcompose-zone add|remove ZONE LINK: puts a link into a zone of firewalld, or takes it out. A
// program of its own, as only machines with firewalld need the library, and only for a moment. Says
// by its code (protocol.h) how it ended.
#include <cstdio>
#include <string_view>

#include "base/error.h"
#include "netns/zone/firewalld.h"
#include "netns/zone/protocol.h"

namespace pcompose::netns::zone {
namespace {

int add(Firewalld& firewalld, const std::string& zone, const std::string& link) {
  if (!firewalld.zone_of(link).empty()) return kHasOne;
  firewalld.add(zone, link);
  return kDone;
}

int run(std::string_view verb, const std::string& zone, const std::string& link) {
  Firewalld firewalld;
  if (!firewalld.runs()) return kNobody;
  if (verb == "add") return add(firewalld, zone, link);
  firewalld.remove(zone, link);
  return kDone;
}

}  // namespace
}  // namespace pcompose::netns::zone

int main(int argc, char** argv) {
  std::string_view verb = argc == 4 ? argv[1] : "";
  if (verb != "add" && verb != "remove") {
    std::fputs("pcompose-zone is started by pcompose\n", stderr);
    return 2;
  }
  try {
    return pcompose::netns::zone::run(verb, argv[2], argv[3]);
  } catch (const pcompose::Error& e) {
    std::fprintf(stderr, "pcompose-zone: %s\n", e.what());
    return pcompose::netns::zone::kFailed;
  }
}
