#include "netns/neighbours.h"

#include <algorithm>
#include <arpa/inet.h>  // before linux/netfilter.h, which has the same otherwise
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/netlink.h"
#include "base/process.h"
#include "netns/zone/protocol.h"

namespace pcompose::netns {
namespace {

// A chain that a firewall leaves to others.
struct Chain {
  const char* program;
  const char* name;
  uint8_t family;      // of its nftables table "filter"
  const char* legacy;  // where legacy tables are listed (ip_tables, ip6_tables)
};
constexpr std::array<Chain, 4> kChains = {{
    {"iptables", "DOCKER-USER", NFPROTO_IPV4, "/proc/net/ip_tables_names"},
    {"iptables", "ufw-user-forward", NFPROTO_IPV4, "/proc/net/ip_tables_names"},
    {"ip6tables", "DOCKER-USER", NFPROTO_IPV6, "/proc/net/ip6_tables_names"},
    {"ip6tables", "ufw6-user-forward", NFPROTO_IPV6, "/proc/net/ip6_tables_names"},
}};

// firewalld's zone of target ACCEPT (firewalld.zones(5)).
constexpr const char* kZone = "trusted";

// One rule of ours: "iptables DOCKER-USER -i pc-+", or "firewalld trusted - pc-+".
struct Rule {
  std::string program, chain, direction, link;
  [[nodiscard]] std::string line() const {
    return program + " " + chain + " " + direction + " " + link;
  }
};

std::string program_path(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/"}) {
    std::string path = directory + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

// Its exit code. It prints nothing of use to us.
int run_quietly(std::vector<std::string> command) {
  Fd nothing = open_file("/dev/null", O_RDWR);
  Child child = spawn({.argv = std::move(command),
                       .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
                       .fds = {{nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}},
                       .session = Session::same,
                       .directory = "/"});
  return child.wait().code();
}

// The same; -1 where there is no such program.
int run(const std::string& program, std::vector<std::string> arguments) {
  std::string path = program_path(program);
  if (path.empty()) return -1;
  arguments.insert(arguments.begin(), {path, "--wait", "5"});
  return run_quietly(std::move(arguments));
}

int run_zone(const char* verb, const Rule& rule) {
  return run_quietly({own_program("pcompose-zone"), verb, rule.chain, rule.link});
}

bool has_nft_table(uint8_t family, std::string_view name) {
  NetlinkBatch batch;
  nfgenmsg header{family, NFNETLINK_V0, 0};
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_ACK, header);
  batch.put_string(NFTA_TABLE_NAME, name);
  return send_batch(open_netlink(NETLINK_NETFILTER).get(), batch) == 0;
}

bool has_legacy_filter(const char* list) {
  if (::access(list, R_OK) != 0) return false;
  return read_file(list, 4096).find("filter") != std::string::npos;
}

// Without a table "filter" there can be no such chain: no program has to be asked.
bool may_exist(const Chain& chain) {
  return has_nft_table(chain.family, "filter") || has_legacy_filter(chain.legacy);
}

std::vector<std::string> arguments_of(const char* verb, const Rule& rule, const std::string& tag) {
  return {verb,        rule.chain, rule.direction, rule.link, "-m", "comment",
          "--comment", tag,        "-j",           "ACCEPT"};
}

std::string file_of(const Roots& roots) { return roots.run + "/accepted-at-neighbours"; }

std::vector<Rule> recorded(const Roots& roots) {
  std::vector<Rule> out;
  if (::access(file_of(roots).c_str(), F_OK) != 0) return out;
  std::istringstream lines(read_file(file_of(roots)));
  Rule rule;
  while (lines >> rule.program >> rule.chain >> rule.direction >> rule.link) out.push_back(rule);
  return out;
}

void write_rules(const Roots& roots, const std::vector<Rule>& rules) {
  if (rules.empty()) {
    ::unlink(file_of(roots).c_str());
    return;
  }
  std::string text;
  for (const Rule& rule : rules) text += rule.line() + "\n";
  replace_file(file_of(roots), text, 0600);
}

// True where it was not there.
bool record(const Roots& roots, const Rule& rule) {
  auto rules = recorded(roots);
  if (std::ranges::find(rules, rule.line(), &Rule::line) != rules.end()) return false;
  rules.push_back(rule);
  write_rules(roots, rules);
  return true;
}

void forget(const Roots& roots, const Rule& rule) {
  auto rules = recorded(roots);
  std::erase_if(rules, [&](const Rule& other) { return other.line() == rule.line(); });
  write_rules(roots, rules);
}

void add(const Roots& roots, const Rule& rule) {
  if (run(rule.program, arguments_of("-C", rule, roots.tag)) == 0) return;  // it is there
  record(roots, rule);
  if (run(rule.program, arguments_of("-I", rule, roots.tag)) == 0) return;
  throw Error("the firewall's chain " + rule.chain + " takes no rule for " + rule.link)
      .hint("`" + rule.program + " -I " + rule.chain + "` says why");
}

// Its runtime configuration only: what is permanent is the administrator's.
void add_to_zone(const Roots& roots, const std::string& link) {
  if (!has_nft_table(NFPROTO_INET, kFirewalldTable)) return;
  Rule rule{std::string(kFirewalldTable), kZone, "-", link};
  bool fresh = record(roots, rule);
  int code = run_zone("add", rule);
  if (code == zone::kDone) return;
  if (fresh) forget(roots, rule);
  // In a zone by somebody's word, or what is left of a firewalld that was killed: nobody to ask.
  if (code == zone::kHasOne || code == zone::kNobody) return;
  throw Error("firewalld does not take " + link + " into its zone " + kZone)
      .hint("`firewall-cmd --zone=" + std::string(kZone) + " --add-interface=" + link +
            "` says why");
}

}  // namespace

std::string link_at_neighbours(const std::string& bridge) {
  return bridge.starts_with("pc-") ? "pc-+" : bridge;
}

void accept_at_neighbours(const Roots& roots, const std::string& link) {
  for (const Chain& chain : kChains) {
    if (!may_exist(chain) || run(chain.program, {"-n", "-L", chain.name}) != 0) continue;
    for (const char* direction : {"-i", "-o"}) {
      add(roots, {chain.program, chain.name, direction, link});
    }
  }
  add_to_zone(roots, link);
}

bool is_left_to_others(std::string_view chain) {
  return std::ranges::any_of(kChains, [&](const Chain& c) { return c.name == chain; });
}

void leave_neighbours(const Roots& roots) {
  auto rules = recorded(roots);
  if (rules.empty()) return;
  for (const Rule& rule : rules) {
    if (rule.program == kFirewalldTable) {
      run_zone("remove", rule);
    } else {
      run(rule.program, arguments_of("-D", rule, roots.tag));
    }
  }
  ::unlink(file_of(roots).c_str());
}

}  // namespace pcompose::netns
