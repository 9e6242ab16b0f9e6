// How pcompose-zone ends.
#pragma once

namespace pcompose::netns::zone {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kHasOne = 3;  // the link is in a zone already: somebody else's word
constexpr int kNobody = 4;  // no firewalld answers

}  // namespace pcompose::netns::zone
