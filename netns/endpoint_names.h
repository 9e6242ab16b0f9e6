// Names as DNS compares them. Private to the room.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace pcompose::netns {

// Each once, in lower case.
inline std::vector<std::string> lower_case(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (std::string name : names) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::ranges::find(out, name) == out.end()) out.push_back(std::move(name));
  }
  return out;
}

}  // namespace pcompose::netns
