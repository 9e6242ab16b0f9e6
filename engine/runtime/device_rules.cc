#include "engine/runtime/device_rules.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine::runtime {
namespace {

DeviceRule allow(char type, std::optional<uint32_t> major, std::optional<uint32_t> minor,
                 const char* access = "rwm") {
  return {.allow = true, .type = type, .major = major, .minor = minor, .access = access};
}

std::string number(const std::optional<uint32_t>& n) { return n ? fmt::format("{}", *n) : "*"; }

// ---- the program

constexpr uint8_t kResult = BPF_REG_0, kContext = BPF_REG_1, kType = BPF_REG_2, kAccess = BPF_REG_3,
                  kMajor = BPF_REG_4, kMinor = BPF_REG_5, kScratch = BPF_REG_6;

bpf_insn instruction(int code, uint8_t destination, uint8_t source, int16_t offset, int32_t value) {
  bpf_insn i{};
  i.code = static_cast<uint8_t>(code);
  i.dst_reg = static_cast<uint8_t>(destination & 0xfU);
  i.src_reg = static_cast<uint8_t>(source & 0xfU);
  i.off = offset;
  i.imm = value;
  return i;
}

bpf_insn load(uint8_t to, int16_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, offset, 0);
}

bpf_insn operate(int op, uint8_t on, int32_t value) {
  return instruction(BPF_ALU | op | BPF_K, on, 0, 0, value);
}

int32_t access_bits(const std::string& access) {
  int32_t bits = 0;
  if (access.find('r') != std::string::npos) bits |= BPF_DEVCG_ACC_READ;
  if (access.find('w') != std::string::npos) bits |= BPF_DEVCG_ACC_WRITE;
  if (access.find('m') != std::string::npos) bits |= BPF_DEVCG_ACC_MKNOD;
  return bits;
}

// Jumps over the rest of the rule where the values differ; the distance is set when the rule ends.
bpf_insn unless_equal(uint8_t on, int32_t value) {
  return instruction(BPF_JMP | BPF_JNE | BPF_K, on, 0, 0, value);
}

std::vector<bpf_insn> rule_program(const DeviceRule& rule) {
  std::vector<bpf_insn> out;
  if (rule.type != 'a') {
    out.push_back(unless_equal(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
  }
  int32_t bits = access_bits(rule.access);
  int32_t every = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
  if (bits != every) {
    // An allowing rule must cover all that is asked for, a denying one any of it.
    out.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, kScratch, kAccess, 0, 0));
    out.push_back(operate(BPF_AND, kScratch, rule.allow ? every & ~bits : bits));
    int jump = rule.allow ? BPF_JNE : BPF_JEQ;
    out.push_back(instruction(BPF_JMP | jump | BPF_K, kScratch, 0, 0, 0));
  }
  if (rule.major) out.push_back(unless_equal(kMajor, static_cast<int32_t>(*rule.major)));
  if (rule.minor) out.push_back(unless_equal(kMinor, static_cast<int32_t>(*rule.minor)));
  out.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, rule.allow ? 1 : 0));
  out.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  for (size_t i = 0; i < out.size(); ++i) {
    bool jumps = BPF_CLASS(out[i].code) == BPF_JMP && BPF_OP(out[i].code) != BPF_EXIT;
    if (jumps) out[i].off = static_cast<int16_t>(out.size() - i - 1);
  }
  return out;
}

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Fd load_program(const std::vector<bpf_insn>& program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program.data());
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  attributes.license = reinterpret_cast<uint64_t>("Apache-2.0");
  int fd = bpf(BPF_PROG_LOAD, attributes);
  if (fd < 0) throw Error::from_errno("load the program of the device rules");
  return Fd(fd);
}

// What was attached before, for an update to take away.
std::vector<uint32_t> attached_programs(int group) {
  std::vector<uint32_t> ids(64);
  bpf_attr attributes{};
  attributes.query.target_fd = static_cast<uint32_t>(group);
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = reinterpret_cast<uint64_t>(ids.data());
  attributes.query.prog_cnt = static_cast<uint32_t>(ids.size());
  if (bpf(BPF_PROG_QUERY, attributes) != 0) return {};
  ids.resize(attributes.query.prog_cnt);
  return ids;
}

void detach(int group, uint32_t id) {
  bpf_attr get{};
  get.prog_id = id;
  Fd program(bpf(BPF_PROG_GET_FD_BY_ID, get));
  if (!program) return;
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(group);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  bpf(BPF_PROG_DETACH, attributes);
}

}  // namespace

std::vector<DeviceRule> effective_rules(const Linux& linux) {
  std::vector<DeviceRule> rules = linux.resources.devices;
  auto says_all = [](const DeviceRule& r) { return !r.allow && r.type == 'a' && !r.major; };
  if (std::none_of(rules.begin(), rules.end(), says_all)) return rules;
  for (uint32_t minor : {3U, 5U, 7U, 8U, 9U}) rules.push_back(allow('c', 1, minor));
  rules.push_back(allow('c', 5, 0));                             // tty
  rules.push_back(allow('c', 5, 2));                             // ptmx
  rules.push_back(allow('c', 5, 1));                             // console
  rules.push_back(allow('c', 136, std::nullopt));                // pts
  rules.push_back(allow('c', std::nullopt, std::nullopt, "m"));  // nodes may be made, not opened
  rules.push_back(allow('b', std::nullopt, std::nullopt, "m"));
  for (const Device& d : linux.devices) {
    // Where a rule of its own says how it may be used, that is all.
    auto is_of_it = [&](const DeviceRule& r) {
      return r.allow && r.type == d.type && r.major == d.major && r.minor == d.minor;
    };
    if (d.type != 'p' && std::ranges::none_of(linux.resources.devices, is_of_it))
      rules.push_back(allow(d.type, d.major, d.minor));
  }
  return rules;
}

std::string rule_text(const DeviceRule& rule) {
  return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor), rule.access);
}

std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules) {
  // The type lies in the lower half of access_type, what is asked for in the upper (linux/bpf.h).
  std::vector<bpf_insn> program = {load(kType, 0),   operate(BPF_AND, kType, 0xffff),
                                   load(kAccess, 0), operate(BPF_RSH, kAccess, 16),
                                   load(kMajor, 4),  load(kMinor, 8)};
  // The last rule counts: it is asked first.
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    auto part = rule_program(*rule);
    program.insert(program.end(), part.begin(), part.end());
    // A rule of everything is the last one asked: the kernel refuses what cannot be reached.
    if (part.size() == 2) return program;
  }
  program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, 0));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  return program;
}

bool device_programs_load() {
  try {
    return static_cast<bool>(load_program(device_program({})));
  } catch (const Error&) {
    return false;
  }
}

void attach_device_program(int group, const std::vector<DeviceRule>& rules) {
  if (rules.empty()) return;
  Fd program = load_program(device_program(rules));
  auto before = attached_programs(group);
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(group);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attributes) != 0)
    throw Error::from_errno("attach the program of the device rules");
  // All of several programs must agree, so the old one goes only after the new one holds.
  for (uint32_t id : before) detach(group, id);
}

}  // namespace pcompose::engine::runtime
