// Steps of a teardown, which goes on whatever happens. Private to the room.
#pragma once

#include <vector>

#include "base/error.h"

namespace pcompose::netns {

template <class Step>
void attempt(std::vector<Error>& errors, const Step& step) {
  try {
    step();
  } catch (const Error& e) {
    errors.push_back(e);
  } catch (const std::exception& e) {
    errors.emplace_back(e.what());
  }
}

}  // namespace pcompose::netns
