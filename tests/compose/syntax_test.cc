// The small languages inside values: variables, env files, durations, sizes, commands, ports,
// mounts.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compose/dotenv.h"
#include "compose/interpolate.h"
#include "compose/mount_syntax.h"
#include "compose/port_syntax.h"
#include "compose/shell_words.h"
#include "compose/units.h"

namespace pcompose::compose {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::optional<std::string> lookup(std::string_view name) {
  if (name == "SET") return "value";
  if (name == "EMPTY") return "";
  return std::nullopt;
}

struct Case {
  const char* text;
  const char* expected;
};

TEST(Interpolate, Table) {
  const Case cases[] = {
      {"plain", "plain"},
      {"$SET-x", "value-x"},
      {"${SET}", "value"},
      {"$UNSET|${UNSET}", "|"},
      {"${SET:-d}", "value"},
      {"${EMPTY:-d}", "d"},
      {"${EMPTY-d}", ""},
      {"${UNSET-d}", "d"},
      {"${UNSET:-${EMPTY:-deep}}", "deep"},
      {"${UNSET:-{\"a\":1}}", "{\"a\":1}"},
      {"${SET:?e}", "value"},
      {"${EMPTY?e}", ""},
      {"${SET:+r}", "r"},
      {"${EMPTY:+r}", ""},
      {"${EMPTY+r}", "r"},
      {"${UNSET+r}", ""},
      {"$$SET $$$SET", "$SET $value"},
      {"5$ $5 $(x) a$", "5$ $5 $(x) a$"},
      {"${UNSET:-a$$b}", "a$b"},
      {"${UNSET:-}", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(interpolate(c.text, lookup), c.expected) << c.text;
}

TEST(Interpolate, SaysWhatIsWrong) {
  EXPECT_EQ(interpolate("${UNSET:?set it}", lookup).error(),
            "required variable UNSET is missing a value: set it");
  EXPECT_EQ(interpolate("${EMPTY:?$SET}", lookup).error(),
            "required variable EMPTY is missing a value: value");
  for (const char* text : {"${5}", "${A/b/c}", "${A:0:2}", "${A:=x}", "${}", "${A b}"}) {
    EXPECT_THAT(interpolate(text, lookup).error(), HasSubstr("invalid interpolation")) << text;
  }
  EXPECT_THAT(interpolate("${SET", lookup).error(), HasSubstr("no closing brace"));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "${UNSET:-";
  EXPECT_FALSE(interpolate(deep + std::string(1000, '}'), lookup));
}

TEST(Interpolate, ReportsUnsetVariables) {
  std::vector<std::string> unset;
  auto note = [&](std::string_view name) { unset.emplace_back(name); };
  EXPECT_TRUE(interpolate("$A ${B} ${C:-x} ${D:+y} ${SET}", lookup, note));
  EXPECT_THAT(unset, ElementsAre("A", "B"));
}

std::map<std::string, std::string> parsed(const std::string& text) {
  std::map<std::string, std::string> out;
  for (const Variable& v : parse_dotenv(text, ".env", lookup))
    out[v.name] = v.value.value_or("<unset>");
  return out;
}

TEST(Dotenv, Table) {
  const Case cases[] = {
      {"X=plain", "plain"},
      {"X = spaced", "spaced"},
      {"X: colon", "colon"},
      {"export X=e", "e"},
      {"\xEF\xBB\xBFX=bom", "bom"},
      {"X=crlf\r\n", "crlf"},
      {"X=a # c", "a"},
      {"X=a#b", "a#b"},
      {"X=", ""},
      {"X=\"a # b\" # c", "a # b"},
      {"X=\"a\\tb\\\\ \\\"q\\\" \\$SET \\101 \\0101 \\x\"", "a\tb\\ \"q\" $SET \\101 A \\x"},
      {"X='$SET \\' \\n'", "$SET ' \\n"},
      {"X=\"one\ntwo\"\nY=1", "one\ntwo"},
      {"X=a\\nb", "a\\nb"},
      {"A=1\nX=${A}2${SET}", "12value"},
      {"X=${A:-d}", "d"},
      {"X", "<unset>"},
      {"SET\nX=1", "1"},
      {"# c\n\n  X=1", "1"},
  };
  for (const Case& c : cases) EXPECT_EQ(parsed(c.text)["X"], c.expected) << c.text;
  EXPECT_EQ(parsed("SET\n")["SET"], "value");
}

std::string dotenv_error(const std::string& text) {
  try {
    parse_dotenv(text, ".env", lookup);
  } catch (const ComposeError& error) {
    return error.what();
  }
  return "";
}

TEST(Dotenv, SaysWhere) {
  EXPECT_EQ(dotenv_error("A=1\nB C=2\n"),
            ".env:2:1: line 2: key cannot contain a space: \"B C\"; write NAME=VALUE");
  EXPECT_THAT(dotenv_error("A=\"x\nB=1\n"), HasSubstr("line 1: unterminated quoted value \"x"));
  EXPECT_THAT(dotenv_error("A=\"x\" y\n"), HasSubstr("unexpected text after the closing quote"));
  EXPECT_THAT(dotenv_error("A!=1\n"), HasSubstr("unexpected character '!'"));
  EXPECT_THAT(dotenv_error("=1\n"), HasSubstr("a variable name is missing"));
  EXPECT_THAT(dotenv_error("A=${B:?no}\n"), HasSubstr("required variable B"));
}

TEST(RawEnv, TakesValuesAsTheyAre) {
  auto variables = parse_raw_env("# c\nA=\"q\" $SET # x \r\n  B=\nSET\nU\n", ".env", lookup);
  ASSERT_EQ(variables.size(), 4U);
  EXPECT_EQ(variables[0].value, "\"q\" $SET # x ");
  EXPECT_EQ(variables[1].value, "");
  EXPECT_EQ(variables[2].value, "value");
  EXPECT_EQ(variables[3].value, std::nullopt);
  EXPECT_THROW(parse_raw_env("A B=1\n", ".env", lookup), ComposeError);
}

TEST(Duration, NormalForms) {
  const Case cases[] = {{"10s", "10s"},      {"1m30s", "1m30s"},        {"90s", "1m30s"},
                        {"3600s", "1h0m0s"}, {"36h", "36h0m0s"},        {"0.5h", "30m0s"},
                        {"1500ms", "1.5s"},  {"100us", "100\xC2\xB5s"}, {"1ns", "1ns"},
                        {"0", "0s"},         {"1d", "24h0m0s"},         {"1w", "168h0m0s"},
                        {"500ms", "500ms"},  {"1.5s", "1.5s"},          {"1h2m3s", "1h2m3s"}};
  for (const Case& c : cases) {
    auto value = parse_duration(c.text);
    ASSERT_TRUE(value) << c.text;
    EXPECT_EQ(duration_text(*value), c.expected) << c.text;
  }
  for (const char* text : {"", "10", "s", "10 s", "-1s", "1x", "1.2.3s", "99999999999h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Bytes, PowersOf1024) {
  EXPECT_EQ(parse_bytes("100"), 100);
  EXPECT_EQ(parse_bytes("1b"), 1);
  EXPECT_EQ(parse_bytes("1k"), 1024);
  EXPECT_EQ(parse_bytes("64 MB"), 64 << 20);
  EXPECT_EQ(parse_bytes("1.5g"), 1610612736);
  EXPECT_EQ(parse_bytes("1Gi"), 1 << 30);
  EXPECT_EQ(parse_bytes("9007199254740993"), 9007199254740993);
  EXPECT_EQ(parse_bytes("-1"), -1);
  for (const char* text : {"", "-2", "x", "1x", "1kk", "1e3", "99999999p"})
    EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(ShellWords, SplitsLikeSh) {
  EXPECT_THAT(split_words("sh -c 'a b' \"c d\" e\\ f")->words,
              ElementsAre("sh", "-c", "a b", "c d", "e f"));
  EXPECT_THAT(split_words("a \"\" ''")->words, ElementsAre("a", "", ""));
  EXPECT_THAT(split_words("a\\tb `x y` $(p q)")->words, ElementsAre("a\tb", "`x y`", "$(p q)"));
  EXPECT_THAT(split_words("  ")->words, ElementsAre());
  EXPECT_EQ(split_words("a | b")->dropped, "| b");
  EXPECT_FALSE(split_words("a 'b"));
  EXPECT_FALSE(split_words("a (b)"));
  EXPECT_FALSE(split_words("a \\"));
}

TEST(PortSyntax, Forms) {
  EXPECT_EQ(parse_port("3000")->at(0).published, "");
  EXPECT_EQ(parse_port("3000-3002")->size(), 3U);
  EXPECT_EQ(parse_port("9090-9091:8080-8081")->at(1).published, "9091");
  EXPECT_EQ(parse_port("12400-12500:1240")->at(0).published, "12400-12500");
  EXPECT_EQ(parse_port("127.0.0.1::9999/UDP")->at(0).protocol, "udp");
  EXPECT_EQ(parse_port("[::1]:7000:7000")->at(0).host_ip, "::1");
  for (const char* text : {"", "abc", "80:abc", "70000:80", "0", "80/xyz", "8000-8010:80-85",
                           "1.2.3:80:80", "90-80", "::1:70:71"}) {
    EXPECT_FALSE(parse_port(text)) << text;
  }
}

TEST(MountSyntax, Forms) {
  EXPECT_EQ(parse_mount("/anon")->source, "");
  EXPECT_EQ(parse_mount("v:/v")->target, "v:/v");  // a drive letter, as docker compose has it
  EXPECT_FALSE(parse_mount("named:/n")->bind());
  EXPECT_TRUE(parse_mount("./a:/n")->bind());
  EXPECT_TRUE(parse_mount("C:\\data:/data")->bind());
  EXPECT_THAT(parse_mount("a.b:/n:ro,z")->options, ElementsAre("ro", "z"));
  for (const char* text : {"", ":/b", "name:", "name:/a:ro:x"})
    EXPECT_FALSE(parse_mount(text)) << text;
}

}  // namespace
}  // namespace pcompose::compose
