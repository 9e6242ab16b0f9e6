#include "engine/images/credentials.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/roots.h"
#include "engine/images/config.h"
#include "engine/images/credential_program.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxFile = 4U << 20U;
constexpr const char* kHub = "docker.io";
constexpr const char* kHubKey = "https://index.docker.io/v1/";  // what docker writes for it

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// "https://index.docker.io/v1/" -> "docker.io", "http://quay.io/v2" -> "quay.io"; a repository
// behind the registry stays.
std::string key_of(std::string key) {
  bool url = key.contains("://");
  if (url) key = key.substr(key.find("://") + 3);
  if (url) key.resize(std::min(key.find('/'), key.size()));
  while (key.ends_with('/')) key.pop_back();
  for (const char* old : {"index.docker.io", "registry-1.docker.io"}) {
    if (key == old || key.starts_with(std::string(old) + "/"))
      key.replace(0, std::string_view(old).size(), kHub);
  }
  return key == "docker.io/v1" || key == "docker.io/v2" ? kHub : key;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  uint32_t group = 0;
  unsigned bits = 0;
  for (char c : text) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (c == '=' || c == '\n') continue;
    size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 0xffU);
  }
  return out;
}

std::string encoded(std::string_view data) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < data.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8U | (i + j < data.size() ? static_cast<unsigned char>(data[i + j]) : 0U);
    for (unsigned j = 0; j < 4; ++j)
      out += i + j <= data.size() ? kDigits[group >> (18U - 6U * j) & 63U] : '=';
  }
  return out;
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

Credentials read_entry(const json::object& object, const std::string& path) {
  Credentials out;
  out.username = text(object, "username");
  out.password = text(object, "password");
  out.identity_token = text(object, "identitytoken");
  out.registry_token = text(object, "registrytoken");
  std::string packed = text(object, "auth");
  if (packed.empty()) return out;
  auto plain = decoded(packed);
  size_t colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos)
    throw Error(path + ": an \"auth\" is not base64 of user:password");
  out.username = plain->substr(0, colon);
  out.password = plain->substr(colon + 1);
  while (out.password.ends_with('\0')) out.password.pop_back();
  return out;
}

json::object members(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

std::optional<std::string> read_if_there(const std::string& path) {
  try {
    return read_file(path, kMaxFile);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT || e.error_number() == ENOTDIR) return std::nullopt;
    throw;
  }
}

json::object read_object(const std::string& path) {
  auto found = read_if_there(path);
  if (!found || found->empty()) return {};
  json::value value = parse_json(*found, path);
  if (!value.is_object()) throw Error(path + " is not a JSON object");
  return value.get_object();
}

void write_object(const std::string& path, const json::object& object) {
  make_directories(std::filesystem::absolute(path).parent_path());
  // Through a link, as people keep their files elsewhere.
  std::error_code error;
  std::string target = std::filesystem::canonical(path, error);
  replace_file(error ? path : target, json::serialize(object) + "\n", 0600);
}

std::string login_key(const std::string& registry) { return registry == kHub ? kHubKey : registry; }

bool erase_entries(json::object& auths, const std::string& registry) {
  std::vector<std::string> keys;
  for (const auto& entry : auths) {
    if (key_of(entry.key()) == registry) keys.emplace_back(entry.key());
  }
  for (const std::string& key : keys) auths.erase(key);
  return !keys.empty();
}

}  // namespace

AuthFile AuthFile::parse(std::string_view content, const std::string& path) {
  AuthFile out;
  out.path = path;
  json::value value = parse_json(content, path);
  if (!value.is_object()) throw Error(path + " is not a JSON object");
  const json::object& object = value.get_object();
  for (const auto& entry : members(object, "auths")) {
    if (entry.value().is_object())
      out.auths[key_of(entry.key())] = read_entry(entry.value().get_object(), path);
  }
  for (const auto& entry : members(object, "credHelpers")) {
    if (entry.value().is_string())
      out.helpers[key_of(entry.key())] = std::string(entry.value().get_string());
  }
  out.store = text(object, "credsStore");
  return out;
}

CredentialStore CredentialStore::read() {
  std::vector<std::string> paths;
  std::string home = environment("HOME"), one = environment("REGISTRY_AUTH_FILE");
  if (!one.empty()) {
    paths.push_back(one);
  } else {
    std::string runtime = environment("XDG_RUNTIME_DIR"), config = environment("XDG_CONFIG_HOME");
    if (!runtime.empty()) paths.push_back(runtime + "/containers/auth.json");
    if (!config.empty()) paths.push_back(config + "/containers/auth.json");
    if (!home.empty()) paths.push_back(home + "/.config/containers/auth.json");
    std::string docker = environment("DOCKER_CONFIG");
    if (docker.empty() && !home.empty()) docker = home + "/.docker";
    if (!docker.empty()) paths.push_back(docker + "/config.json");
  }
  std::vector<AuthFile> files;
  for (const std::string& path : paths) {
    auto content = read_if_there(path);
    if (content && !content->empty()) files.push_back(AuthFile::parse(*content, path));
  }
  return {std::move(files), ask_credential_helper};
}

std::optional<Credentials> CredentialStore::find_in(const AuthFile& file,
                                                    const std::string& name) const {
  std::string registry = name.substr(0, name.find('/'));
  auto helper = file.helpers.find(registry);
  if (helper != file.helpers.end()) {
    if (auto found = ask_(helper->second, login_key(registry))) return found;
  }
  // quay.io/org/app, quay.io/org, quay.io.
  for (std::string key = name;;) {
    auto entry = file.auths.find(key);
    if (entry != file.auths.end() && !entry->second.empty()) return entry->second;
    size_t slash = key.rfind('/');
    if (slash == std::string::npos) break;
    key.resize(slash);
  }
  return file.store.empty() ? std::nullopt : ask_(file.store, login_key(registry));
}

Credentials CredentialStore::find(const std::string& name) const {
  for (const AuthFile& file : files_) {
    if (auto found = find_in(file, name); found && !found->empty()) return *found;
  }
  return {};
}

std::string login_file() {
  if (std::string one = environment("REGISTRY_AUTH_FILE"); !one.empty()) return one;
  if (std::string docker = environment("DOCKER_CONFIG"); !docker.empty())
    return docker + "/config.json";
  std::string home = environment("HOME");
  if (home.empty()) throw Error("HOME is not set, so there is no place for a password");
  return home + "/.docker/config.json";
}

void write_login(const std::string& file, const std::string& registry,
                 const Credentials& credentials) {
  json::object object = read_object(file), auths = members(object, "auths");
  erase_entries(auths, registry);
  auths[login_key(registry)] =
      json::object{{"auth", encoded(credentials.username + ":" + credentials.password)}};
  object["auths"] = auths;
  write_object(file, object);
}

bool remove_login(const std::string& file, const std::string& registry) {
  json::object object = read_object(file), auths = members(object, "auths");
  if (!erase_entries(auths, registry)) return false;
  object["auths"] = auths;
  write_object(file, object);
  return true;
}

}  // namespace pcompose::engine
