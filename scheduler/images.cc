#include "scheduler/images.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "compose/units.h"
#include "engine/images/credentials.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {
namespace {

using Kind = PullPolicy::Kind;

// "1w2d12h": compose-spec, "pull_policy", every_<duration>.
std::chrono::seconds period(const std::string& text, const std::string& policy) {
  auto duration = compose::parse_duration(text);
  if (duration) return std::chrono::duration_cast<std::chrono::seconds>(*duration);
  throw Error("pull_policy: " + policy + " is no period").hint("for example every_12h, every_2d");
}

// Many services have one image: each is looked for once.
class Present {
 public:
  explicit Present(engine::ImageStore& store) : store_(store) {}
  bool has(const engine::ImageWish& wish) {
    auto [known, fresh] = known_.try_emplace({wish.reference, wish.platform}, false);
    if (fresh) known->second = store_.has(wish);
    return known->second;
  }

 private:
  engine::ImageStore& store_;
  std::map<std::pair<std::string, std::string>, bool> known_;
};

bool wants_pull(engine::ImageStore& store, Present& present, const engine::ImageWish& wish,
                PullPolicy policy) {
  switch (policy.kind) {
    case Kind::always:
      return true;
    case Kind::never:
    case Kind::build:
      return false;
    case Kind::missing:
      return !present.has(wish);
    case Kind::every: {
      auto checked = store.checked(wish.reference);
      return !present.has(wish) || !checked ||
             std::chrono::system_clock::now() - *checked >= policy.every;
    }
  }
  return false;
}

// "refresh" is that of every_<duration> in two attributes.
std::string policy_of(const compose::Service& service) {
  bool refresh = service.pull_policy == "refresh" && !service.pull_refresh_after.empty();
  return refresh ? "every_" + service.pull_refresh_after : service.pull_policy;
}

std::string default_platform() {
  const char* value = std::getenv("DOCKER_DEFAULT_PLATFORM");
  return value == nullptr ? "" : value;
}

}  // namespace

PullPolicy PullPolicy::parse(const std::string& text) {
  if (text.empty() || text == "missing" || text == "if_not_present" || text == "refresh")
    return {Kind::missing, {}};
  if (text == "always") return {Kind::always, {}};
  if (text == "never") return {Kind::never, {}};
  if (text == "build") return {Kind::build, {}};
  if (text == "daily") return {Kind::every, std::chrono::days(1)};
  if (text == "weekly") return {Kind::every, std::chrono::weeks(1)};
  if (text.starts_with("every_")) return {Kind::every, period(text.substr(6), text)};
  throw Error("\"" + text + "\" is no pull policy")
      .hint("always, missing, if_not_present, never, build, daily, weekly or every_<period>");
}

std::vector<std::pair<std::string, std::string>> images_of(const compose::Project& project) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, service] : project.services) {
    if (!service.image.empty()) out.emplace_back(name, service.image);
    for (const compose::Hook& hook : service.pre_start) {
      if (!hook.image.empty()) out.emplace_back(name, hook.image);
    }
    for (const compose::Mount& mount : service.volumes) {
      bool names_service = project.services.contains(mount.source);
      if (mount.type == compose::MountType::image && !names_service)
        out.emplace_back(name, mount.source);
    }
  }
  return out;
}

ImageNeeds images_needed(const Roots& roots, const compose::Project& project,
                         const std::string& policy) {
  Database db(roots.database());
  engine::ImageStore store(db, roots);
  Present present(store);
  ImageNeeds out;
  for (const auto& [name, image] : images_of(project)) {
    const compose::Service& service = project.services.at(name);
    engine::ImageWish wish{image, service.platform.empty() ? default_platform() : service.platform};
    try {
      PullPolicy chosen = PullPolicy::parse(policy.empty() ? policy_of(service) : policy);
      if (!wants_pull(store, present, wish, chosen)) {
        if (!present.has(wish) && !store.find(image)) out.absent.emplace_back(name, image);
        continue;
      }
    } catch (Error& e) {
      throw e.at(service.origin("image"));
    }
    auto known = std::ranges::find_if(out.to_pull, [&](const NeededImage& n) {
      return n.wish.reference == wish.reference && n.wish.platform == wish.platform;
    });
    if (known == out.to_pull.end())
      known = out.to_pull.insert(out.to_pull.end(), NeededImage{wish, {}});
    if (std::ranges::find(known->services, name) == known->services.end())
      known->services.push_back(name);
  }
  return out;
}

std::vector<engine::ImageResult> pull_images(const Roots& roots,
                                             const std::vector<engine::ImageWish>& wishes,
                                             engine::PullListener& listener) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).pull(wishes, listener);
}

std::string log_in(const Roots& roots, const std::string& registry, const std::string& username,
                   const std::string& password) {
  Database db(roots.database());
  engine::ImageStore(db, roots).verify_login(registry, username, password);
  std::string file = engine::login_file();
  engine::write_login(file, registry, {username, password, "", ""});
  return file;
}

bool log_out(const std::string& registry) {
  return engine::remove_login(engine::login_file(), registry);
}

ImageDetails inspect_image(const Roots& roots, const std::string& reference) {
  Database db(roots.database());
  engine::ImageStore store(db, roots);
  auto image = store.find(reference);
  if (!image) throw Error("no such image: " + reference);
  ImageDetails out{*image, {}, {}, store.raw_config(image->id).value_or("")};
  for (const std::string& name : store.names(image->id)) {
    out.names.push_back(engine::familiar_reference(name));
    std::string manifest = store.manifest(name);
    std::string familiar = out.names.back();
    size_t colon = familiar.rfind(':');
    bool tagged = colon != std::string::npos && !familiar.substr(colon).contains('/');
    if (!manifest.empty())
      out.digests.push_back((tagged ? familiar.substr(0, colon) : familiar) + "@" + manifest);
  }
  return out;
}

void tag_image(const Roots& roots, const std::string& reference, const std::string& name) {
  Database db(roots.database());
  engine::ImageStore(db, roots).tag(reference, name);
}

engine::Removal remove_image(const Roots& roots, const std::string& reference,
                             engine::Force force) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).remove(reference, StateStore(db, boot_id()).images_in_use(),
                                              force);
}

engine::Removal prune_images(const Roots& roots, engine::Prune what) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).prune(StateStore(db, boot_id()).images_in_use(), what);
}

}  // namespace pcompose::scheduler
