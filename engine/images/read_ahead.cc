#include "engine/images/read_ahead.h"

#include <exception>

namespace pcompose::engine {

ReadAhead::ReadAhead(ByteStream& source, size_t capacity) : ring_(capacity), thread_("inflate") {
  thread_.post([this, &source] { read(source); });
}

void ReadAhead::read(ByteStream& source) {
  try {
    for (;;) {
      std::string_view piece = source.next();
      if (piece.empty()) return ring_.finish();
      if (!ring_.put(piece)) return;
    }
  } catch (...) {
    ring_.fail(std::current_exception());
  }
}

}  // namespace pcompose::engine
