# Third-party libraries, each with its line in docs/dependencies.md.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(SQLiteCpp REQUIRED)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(NFTABLES REQUIRED IMPORTED_TARGET libnftables)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                        BOOST_BEAST_SEPARATE_COMPILATION SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB
                        BOOST_ERROR_CODE_HEADER_ONLY)

# C++ libraries are linked in: to load them takes longer than most commands do. C libraries stay shared, so that
# the distribution's updates reach us.
set(PCOMPOSE_YAML_CPP yaml-cpp)
find_library(YAML_CPP_STATIC libyaml-cpp.a)
if(YAML_CPP_STATIC AND NOT PCOMPOSE_SANITIZE)
  set(PCOMPOSE_YAML_CPP ${YAML_CPP_STATIC})
endif()

# pcompose_link_cxx_runtime(PROGRAM): libstdc++, too. Not for a program one of whose libraries brings it along.
function(pcompose_link_cxx_runtime program)
  if(NOT PCOMPOSE_SANITIZE)
    target_link_options(${program} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
