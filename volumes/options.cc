// Volumes of the local driver with options: docker hands type, o and device to mount(2).
#include <cerrno>
#include <fcntl.h>
#include <linux/mount.h>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

std::string value_of(const std::map<std::string, std::string>& options, const char* key) {
  auto it = options.find(key);
  return it == options.end() ? "" : it->second;
}

struct Words {
  bool bind = false, read_only = false;
  std::vector<std::pair<std::string, std::string>> rest;  // for the file system
  uint64_t attributes = 0;
};

// The options of mount(8) that are the mount's, not the file system's.
Words words_of(const std::string& text) {
  Words out;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    size_t equals = word.find('=');
    if (word == "bind" || word == "rbind") {
      out.bind = true;
    } else if (word == "ro") {
      out.attributes |= MOUNT_ATTR_RDONLY;
    } else if (word == "nosuid") {
      out.attributes |= MOUNT_ATTR_NOSUID;
    } else if (word == "nodev") {
      out.attributes |= MOUNT_ATTR_NODEV;
    } else if (word == "noexec") {
      out.attributes |= MOUNT_ATTR_NOEXEC;
    } else if (word == "noatime") {
      out.attributes |= MOUNT_ATTR_NOATIME;
    } else if (!word.empty() && word != "rw" && word != "defaults") {
      out.rest.emplace_back(word.substr(0, equals),
                            equals == std::string::npos ? "" : word.substr(equals + 1));
    }
  }
  return out;
}

// What the kernel says about a context, which errno alone does not (fsopen(2)).
Error refused(const std::string& what, const Fd& context) {
  int number = errno;
  char text[512];
  ssize_t n = context ? ::read(context.get(), text, sizeof text - 1) : 0;
  Error error(what, number);
  if (n > 2) error.hint("the kernel says: " + std::string(text + 2, static_cast<size_t>(n - 2)));
  return error;
}

void configure(const Fd& context, unsigned command, const std::string& key,
               const std::string& value) {
  const char* text = command == FSCONFIG_SET_STRING ? value.c_str() : nullptr;
  const char* name = key.empty() ? nullptr : key.c_str();
  if (::syscall(SYS_fsconfig, context.get(), command, name, text, 0) != 0)
    throw refused("mount option " + key, context);
}

Fd mount_of(const std::string& type, const std::string& device, const Words& words) {
  Fd context(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (!context) throw refused("there is no file system \"" + type + "\"", Fd());
  if (!device.empty()) configure(context, FSCONFIG_SET_STRING, "source", device);
  for (const auto& [key, value] : words.rest)
    configure(context, value.empty() ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value);
  configure(context, FSCONFIG_CMD_CREATE, "", "");
  Fd tree(
      static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, words.attributes)));
  if (!tree) throw refused("mount " + device, context);
  return tree;
}

}  // namespace

Fd options_tree(const std::map<std::string, std::string>& options) {
  for (const auto& [key, value] : options) {
    if (key != "type" && key != "o" && key != "device") {
      throw Error("the local driver has no option \"" + key + "\"")
          .hint("it has type, o and device");
    }
  }
  std::string type = value_of(options, "type"), device = value_of(options, "device");
  Words words = words_of(value_of(options, "o"));
  if (!words.bind && type != "none") return mount_of(type, device, words);
  Fd tree = bind_tree(device, Missing::refuse, nullptr);
  mount_attr attributes{};
  attributes.attr_set = words.attributes;
  if (words.attributes != 0 && ::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH,
                                         &attributes, sizeof attributes) != 0)
    throw Error::from_errno("set the mount's attributes on " + device);
  return tree;
}

}  // namespace pcompose::volumes
