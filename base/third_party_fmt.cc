// fmt, which Debian has as a shared library alone, and the implementation as a header: a program of
// ours that loads no C++ library starts 1 ms sooner (docs/dependencies.md).
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {
// Declared in format.h, instantiated nowhere else.
template locale_ref::locale_ref(const std::locale& locale);
template auto locale_ref::get<std::locale>() const -> std::locale;
template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl<char>(locale_ref) -> char;
}  // namespace detail
FMT_END_NAMESPACE
