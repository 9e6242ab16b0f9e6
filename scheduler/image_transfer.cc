#include "scheduler/image_transfer.h"

#include <fmt/format.h>

#include "base/database.h"
#include "base/error.h"
#include "engine/images/reference.h"

namespace pcompose::scheduler {

std::vector<engine::ImageResult> push_images(const Roots& roots,
                                             const std::vector<engine::PushWish>& wishes,
                                             engine::PullListener& listener) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).push(wishes, listener);
}

void save_images(const Roots& roots, const std::vector<std::string>& references,
                 engine::ArchiveFormat format, const Fd& output) {
  Database db(roots.database());
  engine::ImageStore(db, roots).save(references, format, output);
}

std::vector<std::string> load_image(const Roots& roots, const Fd& source, const std::string& shown,
                                    const std::string& name, engine::PullListener& listener) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).load(source, shown, name, &listener);
}

std::string import_image(const Roots& roots, const Fd& source, const engine::ImportWish& wish) {
  Database db(roots.database());
  return engine::ImageStore(db, roots).import(source, wish);
}

std::map<std::string, std::string> pin_images(const Roots& roots,
                                              const std::set<std::string>& images) {
  std::map<std::string, std::string> out;
  std::vector<engine::ImageWish> wishes;
  for (const std::string& image : images) {
    engine::Reference reference = engine::parse_reference(image);
    // As docker: where there is a digest it decides, and the tag goes.
    if (!reference.digest.empty()) {
      reference.tag.clear();
      out[image] = reference.str();
    } else {
      wishes.push_back({image, ""});
    }
  }
  if (wishes.empty()) return out;
  Database db(roots.database());
  std::string failures, hint;
  for (const auto& result : engine::ImageStore(db, roots).digests(wishes)) {
    const std::string& image = wishes.at(result.index).reference;
    if (result.outcome == engine::ImageResult::Outcome::failed) {
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", image, result.error);
      hint = result.hint;
      continue;
    }
    engine::Reference reference = engine::parse_reference(result.reference);
    reference.digest = result.digest;
    out[image] = reference.str();
  }
  if (!failures.empty()) throw Error("no digest of " + failures).hint(hint);
  return out;
}

}  // namespace pcompose::scheduler
