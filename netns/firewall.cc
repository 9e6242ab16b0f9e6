#include "netns/firewall.h"

#include <cerrno>
#include <cstdlib>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/nft_library.h"

namespace pcompose::netns {
namespace {

std::string first_line(const char* text) {
  std::string out = text == nullptr ? "" : text;
  out.resize(std::min(out.size(), out.find('\n')));
  return out.empty() ? "unknown error" : out;
}

}  // namespace

// A transaction's context; what it has read of the ruleset is another 0.7 MB.
struct Firewall::Context {
  Context() : nft(library.ctx_new(NFT_CTX_DEFAULT)) {
    if (nft == nullptr) throw Error("libnftables gives no context", ENOMEM);
    // Otherwise its messages go to our stderr.
    library.ctx_buffer_error(nft);
    library.ctx_buffer_output(nft);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { library.ctx_free(nft); }

  NftLibrary library;
  nft_ctx* nft;
};

Firewall::Firewall(std::string tag)
    : tag_(std::move(tag)), socket_(open_netlink(NETLINK_NETFILTER)) {}

Firewall::~Firewall() = default;

void Firewall::prepare() {
  if (!context_) context_ = std::make_unique<Context>();
}

void Firewall::rest() { context_.reset(); }

std::string Firewall::run(const std::string& text) {
  prepare();
  const NftLibrary& library = context_->library;
  if (library.run_cmd_from_buffer(context_->nft, text.c_str()) == 0) return {};
  return first_line(library.ctx_get_error_buffer(context_->nft));
}

void Firewall::require(const std::string& text, const std::string& what) {
  std::string problem = run(text);
  if (!problem.empty()) throw Error(what + ": " + problem);
}

bool Firewall::table_exists() {
  NetlinkBatch batch;
  nfgenmsg header{NFPROTO_INET, NFNETLINK_V0, 0};
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_ACK, header);
  batch.put_string(NFTA_TABLE_NAME, tag_);
  int error = send_batch(socket_.get(), batch);
  if (error != 0 && error != ENOENT) throw Error("look for the nftables table " + tag_, error);
  return error == 0;
}

bool Firewall::is_whole() {
  NetlinkBatch batch;
  nfgenmsg header{NFPROTO_INET, NFNETLINK_V0, 0};
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, header);
  batch.put_string(NFTA_RULE_TABLE, tag_);
  auto empty = chains_with_rules();
  int error = request(socket_.get(), batch, [&](uint16_t, std::span<const uint8_t> rule) {
    for (const NetlinkAttribute& a : attributes(rule, sizeof(nfgenmsg))) {
      if (a.type == NFTA_RULE_CHAIN) empty.erase(a.text());
    }
  });
  if (error != 0) throw Error("read the nftables table " + tag_, error);
  return empty.empty();
}

bool Firewall::ensure_table() {
  bool there = table_exists();
  if (there && is_whole()) return false;
  std::string before = there ? "delete table inet " + tag_ + "\n" : "";
  require(before + render_table(tag_), "make the nftables table " + tag_);
  return true;
}

bool Firewall::mark_answers(uint32_t mark) { return run(render_answers(tag_, mark)).empty(); }

void Firewall::add_foreign(Family family, std::span<const std::string> links) {
  if (links.empty()) return;
  require(render_foreign(tag_, family, links), "refuse to forward between the host's links");
}

void Firewall::remove_table() {
  if (!table_exists()) return;
  require("delete table inet " + tag_, "delete the nftables table " + tag_);
}

void Firewall::add_networks(std::span<const NetworkRow> networks) {
  std::string text;
  for (const NetworkRow& network : networks) text += render_network(tag_, Change::add, network);
  if (!text.empty()) require(text, "add networks to the firewall");
}

void Firewall::remove_networks(std::span<const NetworkRow> networks) {
  std::string text;
  for (const NetworkRow& network : networks) {
    // An element that is not there fails the whole transaction; adding it first is cheaper than
    // asking.
    text +=
        render_network(tag_, Change::add, network) + render_network(tag_, Change::remove, network);
  }
  require(text, "remove networks from the firewall");
}

void Firewall::publish(std::span<const PortRow> ports) {
  std::string text = render_ports(tag_, Change::add, ports);
  if (text.empty() || run(text).empty()) return;
  // Somebody of ours left an element with another target (a crash before its removal).
  unpublish(ports);
  require(render_ports(tag_, Change::add, ports), "publish ports");
}

void Firewall::unpublish(std::span<const PortRow> ports) {
  std::string text = render_ports(tag_, Change::remove, ports);
  if (text.empty() || run(text).empty()) return;
  // One that is gone already fails all: one by one, and what is not there may stay so.
  for (const PortRow& port : ports) {
    if (!port.is_mapped()) continue;
    std::string problem = run(render_ports(tag_, Change::remove, {&port, 1}));
    bool gone = problem.find("No such file or directory") != std::string::npos;
    if (!problem.empty() && !gone) throw Error("unpublish a port: " + problem);
  }
}

}  // namespace pcompose::netns
