#include "cli/template.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::cli {
namespace {

const json::object kRow{{"Name", "web-1"},
                        {"ExitCode", 3},
                        {"Labels", "a=1,tier=front"},
                        {"State", ""},
                        {"Publishers", json::array{json::object{{"TargetPort", 80}},
                                                   json::object{{"TargetPort", 81}}}}};

std::string expand(const std::string& text) { return Template(text).expand(kRow); }

TEST(Template, FieldsAndFunctions) {
  EXPECT_EQ(expand("{{.Name}}: {{ .ExitCode }}\\t."), "web-1: 3\t.");
  EXPECT_EQ(expand("{{upper .Name}} {{.Name | upper}} {{title .Name}}"), "WEB-1 WEB-1 Web-1");
  EXPECT_EQ(expand("{{json .Name}}"), "\"web-1\"");
  EXPECT_EQ(expand("{{.Label \"tier\"}}{{.Label \"none\"}}"), "front");
  EXPECT_EQ(expand("{{truncate .Name 3}}|{{pad .Name 1 2}}|{{len .Name}}"), "web| web-1  |5");
}

TEST(Template, ConditionsAndRanges) {
  EXPECT_EQ(expand("{{if .State}}up{{else}}down{{end}}"), "down");
  EXPECT_EQ(expand("{{range .Publishers}}{{.TargetPort}} {{end}}"), "80 81 ");
  EXPECT_EQ(expand("{{if .Name}}{{if .State}}a{{end}}b{{end}}"), "b");
}

TEST(Template, SaysWhatIsWrong) {
  for (const char* text : {"{{.Name", "{{}}", "{{if .Name}}", "{{end}}", "{{nosuch .Name}}",
                           "{{\"open}}", "{{.Nosuch}}", "{{truncate .Name}}", "{{else}}"})
    EXPECT_THROW(expand(text), Error) << text;
}

TEST(Template, Tables) {
  EXPECT_EQ(format_rows("table {{.Name}}\\t{{.ExitCode}}", {kRow}),
            "NAME    EXIT CODE\nweb-1   3\n");
  EXPECT_EQ(format_rows("{{.Name}}", {kRow, kRow}), "web-1\nweb-1\n");
}

}  // namespace
}  // namespace pcompose::cli
