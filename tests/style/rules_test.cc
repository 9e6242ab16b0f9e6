// The rules on small texts, so that they can fail.
#include "tests/style/rules.h"

#include <gtest/gtest.h>

#include "tests/style/source_text.h"

namespace pcompose::style {
namespace {

std::string lines(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "  f();\n";
  return out;
}

TEST(Includes, FollowTheTable) {
  EXPECT_EQ(check_includes({"netns/a.cc", "#include \"engine/plan.h\"\n"}).size(), 1U);
  EXPECT_EQ(check_includes({"base/a.cc", "#include \"compose/load.h\"\n"}).size(), 1U);
  EXPECT_EQ(check_includes({"cli/a.cc", "#include \"engine/images.h\"\n"}).size(), 1U);
  EXPECT_TRUE(
      check_includes({"netns/a.cc", "#include \"netns/b.h\"\n#include \"base/fd.h\"\n"}).empty());
  EXPECT_TRUE(check_includes({"tests/netns/a.cc", "#include \"engine/plan.h\"\n"}).empty());
}

TEST(Includes, KeepThePureSchedulerApart) {
  EXPECT_EQ(check_includes({"scheduler/planner_up.cc", "#include \"engine/spec.h\"\n"}).size(), 1U);
  EXPECT_TRUE(check_includes({"scheduler/replica.cc", "#include \"engine/spec.h\"\n"}).empty());
}

TEST(FileSize, CountsLines) {
  EXPECT_TRUE(check_file_size({"base/a.cc", lines(600)}).empty());
  EXPECT_EQ(check_file_size({"base/a.cc", lines(601)}).size(), 1U);
}

TEST(FunctionSize, MeasuresBodies) {
  EXPECT_TRUE(check_function_size({"a.cc", "void a() {\n" + lines(60) + "}\n"}).empty());
  EXPECT_EQ(check_function_size({"a.cc", "void a() {\n" + lines(61) + "}\n"}).size(), 1U);
}

TEST(FunctionSize, SeesMembersTemplatesAndInitialisers) {
  std::string text =
      "namespace n {\nclass A : public B {\n public:\n  A(int a) : a_{a}, b_(a) {\n" + lines(61) +
      "  }\n  template <class T>\n  int f(T t = {}) const {\n" + lines(62) + "  }\n};\n}\n";
  auto found = check_function_size({"a.cc", text});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[1].what.find("62 lines"), std::string::npos) << found[1].what;
}

TEST(FunctionSize, LeavesTablesAndClassesAlone) {
  std::string table = "const int kTable[] = {\n" + lines(80) + "};\n";
  std::string call = "constexpr auto kT = to_array({\n" + lines(80) + "});\n";
  std::string type = "struct A {\n" + lines(80) + "};\n";
  std::string list = "enum class E : int {\n" + lines(80) + "};\n";
  EXPECT_TRUE(check_function_size({"a.cc", table + call + type + list}).empty());
}

TEST(FunctionSize, IgnoresBracesInText) {
  std::string text = "void a() {\n  f(\"}\", '}', R\"x(}\")x\");  // }\n" + lines(60) + "}\n";
  EXPECT_EQ(check_function_size({"a.cc", text}).size(), 1U);
}

TEST(Calls, AreBannedOutsideBase) {
  for (const char* bad :
       {"  ::close(fd);", "  ::kill(pid, 9);", "  waitpid(p, &s, 0);", "  umount2(\"/x\", 0);",
        "  auto* a = new int;", "  delete a;", "  std::thread t;"}) {
    EXPECT_EQ(check_calls({"netns/a.cc", bad}).size(), 1U) << bad;
    EXPECT_TRUE(check_calls({"base/a.cc", bad}).empty()) << bad;
    EXPECT_TRUE(check_calls({"engine/launch/child.cc", bad}).empty()) << bad;
  }
}

TEST(Calls, MayLookAlike) {
  for (const char* good :
       {"void Batch::close(int n) {}", "A(const A&) = delete;", "int renew = 1;",
        "// a new one, not ::kill()", "f(\"delete table\");", "op.umount_all();"}) {
    EXPECT_TRUE(check_calls({"netns/a.cc", good}).empty()) << good;
  }
}

TEST(FileName, SaysSomething) {
  EXPECT_EQ(check_file_name({"netns/string_utils.cc", ""}).size(), 1U);
  EXPECT_EQ(check_file_name({"netns/manager.h", ""}).size(), 1U);
  EXPECT_TRUE(check_file_name({"netns/commoner.h", ""}).empty());
}

TEST(Marks, AreRefused) {
  EXPECT_EQ(check_marks({"a.cc", std::string("// TO") + "DO: later\n"}).size(), 1U);
  EXPECT_TRUE(check_marks({"a.cc", "int todo = 1;\n"}).empty());
}

TEST(CodeOnly, KeepsLines) {
  EXPECT_EQ(code_only("a /* x\ny */ b 1'000 'c'"), "a     \n     b 1'000    ");
}

}  // namespace
}  // namespace pcompose::style
