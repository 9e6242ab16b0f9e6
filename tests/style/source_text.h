// C++ source as the style rules look at it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pcompose::style {

// The text with comments, string and character literals blanked out; every line keeps its number.
std::string code_only(std::string_view text);

// What a name is made of.
bool is_word(char c);

struct Function {
  std::string head;  // "int Foo::bar(int a)"
  int line = 0;      // of the opening brace
  int lines = 0;     // between the braces
};

// The functions of clang-formatted code. A heuristic: a body opens outside every other body, after
// a head that has parentheses and is no class, enum, namespace or initialiser. A lambda belongs to
// the function it stands in.
std::vector<Function> functions(std::string_view text);

}  // namespace pcompose::style
