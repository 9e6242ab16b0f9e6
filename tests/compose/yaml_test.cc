// YAML text to nodes: kinds, places, aliases, and what is refused.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compose/yaml_reader.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

using testing::HasSubstr;

Node read_one(const std::string& text) { return read_yaml(text, "f.yaml").at(0); }

std::string error_of(const std::string& text) {
  try {
    read_yaml(text, "f.yaml");
  } catch (const ComposeError& error) {
    return error.what();
  }
  return "";
}

TEST(Yaml, ColumnsCountCharactersNotBytes) {
  Node node = read_one("\xef\xbb\xbfä: {ö: 1, ü: 2, x: [é, é]}\nb: 1\n");
  EXPECT_EQ(position_of(node.entries[0].origin).str(), "f.yaml:1:1");
  const Node* flow = node.find("ä");
  EXPECT_EQ(position_of(flow->entries[1].origin).str(), "f.yaml:1:11");
  EXPECT_EQ(flow->find("x")->items[1].position().str(), "f.yaml:1:24");
  EXPECT_EQ(node.find("b")->position().str(), "f.yaml:2:4");
  EXPECT_EQ(error_of("ä: \xff\n"),
            "f.yaml:1:4: the byte 0xff is no UTF-8 text; save the file as UTF-8");
}

TEST(YamlReader, KnowsKinds) {
  Node node =
      read_one("s: text\nq: \"1\"\ni: 12\nr: 1.5\nb: true\nn:\nno: yes\nl: [1, a]\nm: {k: v}\n");
  EXPECT_EQ(node.find("s")->kind, Kind::string);
  EXPECT_EQ(node.find("q")->kind, Kind::string);
  EXPECT_EQ(node.find("i")->kind, Kind::integer);
  EXPECT_EQ(node.find("r")->kind, Kind::real);
  EXPECT_EQ(node.find("b")->kind, Kind::boolean);
  EXPECT_EQ(node.find("n")->kind, Kind::null);
  EXPECT_EQ(node.find("no")->kind, Kind::string);
  EXPECT_EQ(node.find("l")->items.size(), 2U);
  EXPECT_EQ(node.find("m")->text_of("k"), "v");
}

TEST(YamlReader, KeepsThePlaceOfKeysAndValues) {
  Node node = read_one("a:\n  bc: text\n  d:\n    - one\n    - two\n");
  const Entry* entry = node.find("a")->find_entry("bc");
  EXPECT_EQ(position_of(entry->origin).str(), "f.yaml:2:3");
  EXPECT_EQ(entry->value.position().str(), "f.yaml:2:7");
  EXPECT_EQ(node.find("a")->find("d")->items[1].position().str(), "f.yaml:5:7");
}

TEST(YamlReader, AnAbsentValueStandsAtItsKey) {
  EXPECT_EQ(read_one("a:\n  b:\nc: 1\n").find("a")->find("b")->position().str(), "f.yaml:2:3");
}

TEST(YamlReader, AnAliasKeepsBothPlaces) {
  Node node = read_one("x: &v {k: 1}\ny: *v\n");
  const Node* k = node.find("y")->find("k");
  EXPECT_EQ(k->position().str(), "f.yaml:1:11");
  ASSERT_TRUE(k->origin->via);
  EXPECT_EQ(k->origin->way, Way::alias);
  EXPECT_EQ(position_of(k->origin->via).str(), "f.yaml:2:4");
}

TEST(YamlReader, MergeKeysLetExplicitAndEarlierOnesWin) {
  Node node =
      read_one("a: &a {k: a, l: a, m: a}\nb: &b {l: b, n: b}\nc:\n  <<: [*b, *a]\n  k: c\n");
  const Node* c = node.find("c");
  EXPECT_EQ(c->text_of("k"), "c");
  EXPECT_EQ(c->text_of("l"), "b");
  EXPECT_EQ(c->text_of("m"), "a");
  EXPECT_EQ(c->text_of("n"), "b");
  EXPECT_EQ(c->find("<<"), nullptr);
}

TEST(YamlReader, KeepsMergeTags) {
  Node node = read_one("a: !reset null\nb: !override [1]\nc: !reset\nd: 1\n");
  EXPECT_EQ(node.find("a")->tag, MergeTag::reset);
  EXPECT_EQ(node.find("b")->tag, MergeTag::replace);
  EXPECT_EQ(node.find("c")->tag, MergeTag::reset);
  EXPECT_EQ(node.find("d")->tag, MergeTag::none);
}

TEST(YamlReader, ReadsSeveralDocuments) {
  EXPECT_EQ(read_yaml("a: 1\n---\nb: 2\n---\n", "f").size(), 2U);
  EXPECT_TRUE(read_yaml("# nothing\n", "f").empty());
}

TEST(YamlReader, RefusesWithAPlace) {
  EXPECT_EQ(error_of("a:\n  k: 1\n  k: 2\n"),
            "f.yaml:3:3: key \"k\" is already defined at f.yaml:2:3; remove one of the two");
  EXPECT_EQ(error_of("- a\n"),
            "f.yaml:1:1: the top level must be a mapping (services: …), not a list");
  EXPECT_EQ(error_of("a:\n  1: x\n"),
            "f.yaml:2:3: a key must be a string, 1 is an integer; put it in quotes");
  EXPECT_EQ(error_of("a: *nope\n"),
            "f.yaml:1:4: YAML syntax error in line 1: unknown anchor \"nope\"; define it above "
            "with &, or "
            "quote a text that begins with *");
  EXPECT_EQ(error_of("a: &a [*a]\n"),
            "f.yaml:1:8: the alias stands inside the value that it refers to");
  EXPECT_EQ(error_of(", a: 1\n"), "f.yaml:1:1: YAML syntax error: this belongs to nothing");
  EXPECT_NE(error_of("a:\n\tb: 1\n"), "");
}

TEST(YamlReader, ToldInWordsOfTheField) {
  constexpr std::string_view kIndentation =
      "; is a space missing after a ':' or '-', or does the indentation differ from the lines "
      "above?";
  auto expected = [](std::string_view place, int line, std::string_view words) {
    return fmt::format("f.yaml:{}: YAML syntax error in line {}: {}", place, line, words);
  };
  EXPECT_EQ(
      error_of("a:b\n  c: 1\n"),
      expected("2:4", 2,
               fmt::format("mapping values are not allowed in this context{}", kIndentation)));
  EXPECT_THAT(error_of("a: [\n- b\nc: 1\n"), HasSubstr("in this context"));
  EXPECT_EQ(error_of("a:\n    b: 1\n  c: 1\n"),
            expected("3:3", 3, fmt::format("did not find expected key{}", kIndentation)));
  EXPECT_THAT(error_of("a: {b: 1\n"), HasSubstr("did not find expected ',' or '}'"));
  EXPECT_THAT(error_of("a: [b\n"), HasSubstr("did not find expected ',' or ']'"));
}

TEST(YamlReader, MissesAClosingQuote) {
  for (const char* text : {"a: 'b\n", "a: 'b", "a: \"b\n", "a: 'it''s\nb: c\n", "a: \"b\\\"\n",
                           "a: &x 'b\n", "a: !!str 'b\n", "\xc3\xa4: 'b\n", "b: c\n'a: 1\n"}) {
    EXPECT_THAT(error_of(text),
                HasSubstr("found unexpected end of stream; is a closing quote missing?"))
        << text;
  }
  for (const char* text :
       {"a: 'b' # don't\n", "a: !!str b # don't\n", "a: 'it''s'\n", "a: ''\n", "a: \"b\\\\\"\n",
        "a: |\n  'b\n", "a: it's\n", "\xc3\xa4: '\xc3\xa9'\n", "a: 'b'"}) {
    EXPECT_EQ(error_of(text), "") << text;
  }
}

TEST(YamlReader, BoundsAliasesAndDepth) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int j = 0; j < 8; ++j) bomb += ", " + below;
    bomb += "]\n";
  }
  EXPECT_NE(error_of(bomb).find("aliases expand to more than 100000 values"), std::string::npos);
  std::string flat = "a: [x";
  for (int i = 0; i < 250000; ++i) flat += ",x";
  EXPECT_NE(error_of(flat + "]\n").find("more than 250000 values"), std::string::npos);
  EXPECT_NE(error_of("a: \xff\n").find(":1:4: the byte 0xff is no UTF-8"), std::string::npos);
  EXPECT_NE(error_of("a: \"x\\0y\"\n").find(":1:4: holds a NUL byte"), std::string::npos);
  EXPECT_NE(error_of("a: " + std::string(300, '[') + std::string(300, ']')).find("deeper than 200"),
            std::string::npos);
}

TEST(YamlScalar, TypesPlainText) {
  for (const char* text : {"", "~", "null", "NULL"})
    EXPECT_EQ(plain_kind(text), Kind::null) << text;
  for (const char* text : {"0", "-1", "0x1F", "0123", "0o17", "1_000"})
    EXPECT_EQ(plain_kind(text), Kind::integer) << text;
  for (const char* text : {"1.5", ".5", "1e3", "-.inf", ".nan", "089"})
    EXPECT_EQ(plain_kind(text), Kind::real) << text;
  for (const char* text : {"yes", "on", "22:22", "1.2.3", "0xZZ", "-", "1e", "2024-01-02", "."}) {
    EXPECT_EQ(plain_kind(text), Kind::string) << text;
  }
}

std::string text_of(const std::string& written) {
  Node node = make_string(written, nullptr);
  node.plain = true;
  node.kind = plain_kind(written);
  return scalar_text(node);
}

TEST(YamlScalar, WritesTheNormalText) {
  EXPECT_EQ(text_of("1.10"), "1.1");
  EXPECT_EQ(text_of("0123"), "83");
  EXPECT_EQ(text_of("0x1F"), "31");
  EXPECT_EQ(text_of("1e3"), "1000");
  EXPECT_EQ(text_of("12345678901234567890"), "12345678901234567890");
  EXPECT_EQ(text_of("True"), "true");
  EXPECT_EQ(text_of("2024-01-02"), "2024-01-02 00:00:00 +0000 UTC");
  EXPECT_EQ(text_of("2024-13-02"), "2024-13-02");
}

}  // namespace
}  // namespace pcompose::compose
