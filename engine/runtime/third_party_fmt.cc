// fmt for the statically linked program: Debian has its library as a shared one alone, and the
// implementation as a header. A dynamic loader would cost more than the start of a container does.
#include <fmt/format-inl.h>

namespace fmt {
inline namespace v9 {
namespace detail {
// Declared in format.h, instantiated nowhere else.
template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl<char>(locale_ref) -> char;
}  // namespace detail
}  // namespace v9
}  // namespace fmt
