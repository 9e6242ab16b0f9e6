#include "engine/images/pull.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/loop.h"
#include "engine/images/bounds.h"
#include "engine/images/config.h"
#include "engine/images/descriptor.h"
#include "engine/images/layer_pool.h"
#include "engine/images/manifest.h"
#include "engine/images/reference.h"
#include "engine/images/registry/certificates.h"
#include "engine/images/registry/repository.h"

namespace pcompose::engine {
namespace {

constexpr std::string_view kSchema1 = "application/vnd.docker.distribution.manifest.v1";

class Puller {
 public:
  Puller(asio::any_io_executor executor, const PullRequest& request,
         const CertificatesOf& certificates, LayerStore& layers, DocumentStore& documents,
         PullReport& report)
      : transfers_(executor, request.proxies),
        certificates_(certificates),
        documents_(documents),
        report_(report),
        locks_("documents"),
        layers_(executor, layers, kLayersAtOnce) {}

  enum class What { images, digests };
  Task<> pull(const PullImage& image, size_t index, What what);
  Task<> log_in(const ImageSource& source, size_t index);

 private:
  using Outcome = PulledImage::Outcome;

  std::shared_ptr<Repository> open(const ImageSource& source);
  Task<PulledImage> try_candidates(const PullImage& image, What what);
  Task<PulledImage> ask(const ImageSource& source, const Reference& reference);
  Task<PulledImage> pull_from(const PullImage& image, const ImageSource& source,
                              const Reference& reference);
  Task<SourceImage> resolve(Repository& repository, const PullImage& image,
                            const std::string& reference);
  Task<std::string> configuration(Repository& repository, Descriptor descriptor);
  Task<std::vector<int64_t>> fetch_layers(std::shared_ptr<Repository> repository,
                                          const SourceImage& image);
  Task<> fetch_layer(std::shared_ptr<Repository> repository, SourceLayer layer, int64_t& bytes);

  Transfers transfers_;
  const CertificatesOf& certificates_;
  DocumentStore& documents_;
  PullReport& report_;
  LoopThread locks_;
  LayerPool layers_;
};

Task<> Puller::pull(const PullImage& image, size_t index, What what) {
  PulledImage out;
  try {
    out = co_await try_candidates(image, what);
  } catch (const Error& e) {
    out.error = e.message();
    out.hint = e.hint();
  } catch (const std::exception& e) {
    out.error = e.what();
  }
  out.index = index;
  report_.image(out);
}

Task<> Puller::log_in(const ImageSource& source, size_t index) {
  PulledImage out;
  out.index = index;
  try {
    co_await open(source)->verify_login();
    out.outcome = Outcome::current;
  } catch (const Error& e) {
    out.error = e.message();
    out.hint = e.hint();
  }
  report_.image(out);
}

std::shared_ptr<Repository> Puller::open(const ImageSource& source) {
  auto found = certificates_.find(source.host);
  return std::make_shared<Repository>(transfers_, source,
                                      found == certificates_.end() ? TlsFiles() : found->second);
}

// All places in their order. Where there is more than one, the error says what each answered.
Task<PulledImage> Puller::try_candidates(const PullImage& image, What what) {
  std::vector<std::pair<std::string, Error>> failures;
  for (const ImageCandidate& candidate : image.candidates) {
    Reference reference = parse_reference(candidate.reference);
    for (const ImageSource& source : candidate.sources) {
      try {
        PulledImage out = what == What::digests ? co_await ask(source, reference)
                                                : co_await pull_from(image, source, reference);
        out.reference = candidate.reference;
        out.image.references = {candidate.reference};
        co_return out;
      } catch (const Error& e) {
        failures.emplace_back(source.host + "/" + source.path, e);
      }
    }
  }
  if (failures.empty()) throw Error("no registry is known that could have " + image.written);
  if (failures.size() == 1) throw failures.front().second;
  std::string all;
  for (const auto& [place, error] : failures)
    all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", place, error.message());
  throw Error(fmt::format("no registry gave {}: {}", image.written, all))
      .hint(failures.back().second.hint());
}

// The digest alone; some registries do not say it without the manifest.
Task<PulledImage> Puller::ask(const ImageSource& source, const Reference& reference) {
  auto repository = open(source);
  std::string wanted = reference.digest.empty() ? reference.tag : reference.digest;
  PulledImage out;
  out.outcome = Outcome::current;
  out.image.manifest = co_await repository->manifest_digest(wanted);
  if (out.image.manifest.empty())
    out.image.manifest = (co_await repository->manifest(wanted)).digest;
  co_return out;
}

Task<PulledImage> Puller::pull_from(const PullImage& image, const ImageSource& source,
                                    const Reference& reference) {
  auto repository = open(source);
  std::string wanted = reference.digest.empty() ? reference.tag : reference.digest;
  PulledImage out;
  if (!image.known.empty()) {
    std::string now =
        reference.digest.empty() ? co_await repository->manifest_digest(wanted) : reference.digest;
    out.outcome = Outcome::current;
    if (now == image.known) co_return out;
  }
  SourceImage resolved = co_await resolve(*repository, image, wanted);
  out.outcome = Outcome::pulled;
  for (const SourceLayer& layer : resolved.skipped)
    report_.state(layer.digest, layer.size, LayerProgress::State::skipped);
  std::vector<int64_t> sizes = co_await fetch_layers(repository, resolved);
  documents_.keep(resolved.image_manifest.substr(7), resolved.image_manifest_text);
  out.image = loaded_image(resolved, sizes);
  co_return out;
}

// Manifest, or index and manifest, then the configuration.
Task<SourceImage> Puller::resolve(Repository& repository, const PullImage& image,
                                  const std::string& reference) {
  SourceImage out;
  std::string next = reference, type, what;
  json::value document;
  for (int depth = 0;; ++depth) {
    if (depth > kMaxNesting) throw Error("the indexes are nested too deep");
    RegistryDocument fetched = co_await repository.manifest(next);
    if (out.manifest.empty()) out.manifest = fetched.digest;
    what = fmt::format("{} of {}", fetched.digest, repository.source().shown);
    if (fetched.text.size() > kMaxDocument) throw Error(what + " is too long for a manifest");
    if (fetched.media_type.starts_with(kSchema1)) {
      throw Error(what + " is of docker's schema 1, which nobody writes since 2017")
          .hint("push the image again with a newer program");
    }
    document = parse_json(fetched.text, what);
    if (!document.is_object()) throw Error(what + " is no manifest");
    out.image_manifest = fetched.digest;
    out.image_manifest_text = fetched.text;
    if (!is_index(fetched.media_type, document.get_object())) break;
    auto chosen = choose_descriptors(read_descriptors(document, "manifests", what), image.platform,
                                     image.written);
    if (chosen.empty()) throw Error(what + " has no image");
    next = chosen.front().digest;
  }
  const json::value* config = document.get_object().if_contains("config");
  if (config == nullptr) throw Error(what + " has no configuration");
  Descriptor descriptor = read_descriptor(*config, what);
  for (const Descriptor& layer : read_layers(document, what))
    out.layers.push_back(
        {layer.digest, layer.digest.substr(7), layer.size, "", "", layer.media_type});
  out.config_digest = descriptor.digest;
  out.config = co_await configuration(repository, std::move(descriptor));
  number_layers(out);
  ImageDocument facts = parse_image_document(out.config);
  Platform found{facts.os, facts.architecture, ""};
  if (image.platform_given &&
      (found.os != image.platform.os || found.architecture != image.platform.architecture)) {
    throw Error(
        fmt::format("{} is for {}, not for {}", image.written, found.str(), image.platform.str()));
  }
  co_return out;
}

// One process fetches it, whoever wants it.
Task<std::string> Puller::configuration(Repository& repository, Descriptor descriptor) {
  std::string hex = descriptor.digest.substr(7);
  if (descriptor.size > static_cast<int64_t>(kMaxDocument))
    throw Error("the configuration " + descriptor.digest + " is too long");
  if (auto text = documents_.find(hex)) co_return *text;
  Fd claim = co_await locks_.run([&] { return documents_.claim(hex); });
  if (!claim) co_return documents_.find(hex).value_or("");
  std::string text = co_await repository.document(descriptor.digest, descriptor.size);
  documents_.put(claim, hex, text);
  co_return text;
}

Task<> Puller::fetch_layer(std::shared_ptr<Repository> repository, SourceLayer layer,
                           int64_t& bytes) {
  using State = LayerProgress::State;
  report_.state(layer.digest, layer.size, State::waiting);
  bool downloaded = false;
  auto download = [this, &downloaded, repository, layer](ByteRing& ring) -> Task<> {
    downloaded = true;
    report_.state(layer.digest, layer.size, State::downloading);
    co_await repository->blob(
        layer.path, layer.size, ring,
        [this, digest = layer.digest](int64_t received) { report_.received(digest, received); });
  };
  bytes = co_await layers_.add(layer, download);
  report_.state(layer.digest, layer.size, downloaded ? State::done : State::present);
}

Task<std::vector<int64_t>> Puller::fetch_layers(std::shared_ptr<Repository> repository,
                                                const SourceImage& image) {
  std::vector<int64_t> sizes(image.layers.size());
  TaskGroup group(co_await asio::this_coro::executor);
  for (size_t i = 0; i < image.layers.size(); ++i)
    group.spawn(fetch_layer(repository, image.layers[i], sizes[i]));
  co_await group.join();
  co_return sizes;
}

Task<> pull_all(Puller& puller, const PullRequest& request) {
  TaskGroup group(co_await asio::this_coro::executor);
  auto what = request.digests_only ? Puller::What::digests : Puller::What::images;
  size_t index = 0;
  for (const PullImage& image : request.images) group.spawn(puller.pull(image, index++, what));
  for (const ImageSource& source : request.logins) group.spawn(puller.log_in(source, index++));
  co_await group.join();
}

}  // namespace

CertificatesOf read_all_certificates(const PullRequest& request) {
  CertificatesOf out;
  auto read = [&](const ImageSource& source) {
    if (!out.contains(source.host))
      out[source.host] = read_certificates(request.certificate_directories, source.host);
  };
  for (const PullImage& image : request.images) {
    for (const ImageCandidate& candidate : image.candidates) {
      for (const ImageSource& source : candidate.sources) read(source);
    }
  }
  for (const ImageSource& source : request.logins) read(source);
  return out;
}

void pull_images(const PullRequest& request, const CertificatesOf& certificates, LayerStore& layers,
                 DocumentStore& documents, PullReport& report) {
  layers.remove_stale();
  asio::io_context loop(1);
  Puller puller(loop.get_executor(), request, certificates, layers, documents, report);
  std::exception_ptr failure;
  asio::co_spawn(loop, pull_all(puller, request),
                 [&failure](const std::exception_ptr& error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace pcompose::engine
