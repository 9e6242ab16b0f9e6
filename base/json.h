// Boost.JSON, compiled once (json.cc).
#pragma once

#include <boost/json.hpp>

namespace pcompose {
namespace json = boost::json;
}
