#include "engine/user.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {
namespace {

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

struct PasswdEntry {
  std::string_view name;
  uint32_t uid = 0, gid = 0;
  std::string_view home;
};

// By name first: a user may be called 1000.
std::optional<PasswdEntry> find_user(std::string_view passwd, std::string_view wanted) {
  std::optional<PasswdEntry> by_id;
  for (std::string_view line : split(passwd, '\n')) {
    auto f = split(line, ':');
    if (f.size() < 6) continue;
    auto uid = number(f[2]);
    auto gid = number(f[3]);
    if (!uid || !gid) continue;
    PasswdEntry entry{f[0], *uid, *gid, f[5]};
    if (f[0] == wanted) return entry;
    if (!by_id && number(wanted) == uid) by_id = entry;
  }
  return by_id;
}

std::optional<uint32_t> find_group(std::string_view group, std::string_view wanted) {
  for (std::string_view line : split(group, '\n')) {
    auto f = split(line, ':');
    if (f.size() >= 3 && f[0] == wanted) return number(f[2]);
  }
  return number(wanted);
}

std::vector<uint32_t> groups_of(std::string_view group, std::string_view name) {
  std::vector<uint32_t> out;
  for (std::string_view line : split(group, '\n')) {
    auto f = split(line, ':');
    if (f.size() < 4) continue;
    auto members = split(f[3], ',');
    auto gid = number(f[2]);
    if (gid && std::find(members.begin(), members.end(), name) != members.end())
      out.push_back(*gid);
  }
  return out;
}

std::string read_in(int root, const char* path) {
  try {
    Fd fd = open_within(root, path, O_RDONLY | O_NONBLOCK, Resolve::in_root);
    return read_all(fd.get(), 8U << 20U);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT || e.error_number() == ENOTDIR) return "";
    throw;
  }
}

}  // namespace

User resolve_user(std::string_view wanted, std::string_view passwd, std::string_view group,
                  std::string* home) {
  size_t colon = wanted.find(':');
  std::string_view name = wanted.substr(0, colon);
  std::string_view group_name = colon == std::string_view::npos ? "" : wanted.substr(colon + 1);
  if (name.empty()) name = "0";
  auto entry = find_user(passwd, name);
  auto id = number(name);
  if (!entry && !id) {
    throw Error("no user \"" + std::string(name) + "\" in the image's /etc/passwd")
        .hint("write its number, or add the user to the image");
  }
  User user;
  user.uid = entry ? entry->uid : *id;
  user.gid = entry ? entry->gid : 0;
  if (home != nullptr) *home = entry && !entry->home.empty() ? std::string(entry->home) : "/";
  if (group_name.empty()) {
    if (entry) user.additional_gids = groups_of(group, entry->name);
    return user;
  }
  user.gid = resolve_group(group_name, group);
  return user;
}

uint32_t resolve_group(std::string_view wanted, std::string_view group) {
  auto gid = find_group(group, wanted);
  if (!gid) {
    throw Error("no group \"" + std::string(wanted) + "\" in the image's /etc/group")
        .hint("write its number, or add the group to the image");
  }
  return *gid;
}

uint32_t resolve_group_in(int root, std::string_view wanted) {
  return resolve_group(wanted, read_in(root, "etc/group"));
}

User resolve_user_in(int root, std::string_view wanted, std::string* home) {
  return resolve_user(wanted, read_in(root, "etc/passwd"), read_in(root, "etc/group"), home);
}

uint32_t highest_id_in(int root) {
  uint32_t highest = 0;
  for (const char* file : {"etc/passwd", "etc/group"}) {
    std::string text = read_in(root, file);
    for (std::string_view line : split(text, '\n')) {
      auto fields = split(line, ':');
      if (fields.size() < 3 || fields[0] == "nobody" || fields[0] == "nogroup") continue;
      if (auto id = number(fields[2])) highest = std::max(highest, *id);
    }
  }
  return highest;
}

}  // namespace pcompose::engine
