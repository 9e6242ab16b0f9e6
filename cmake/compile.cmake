# Flags for every target of ours. Sanitizers are a property of the build, not of a target.
find_program(CCACHE ccache)
if(CCACHE)
  # Without this sloppiness ccache passes on every file that uses a precompiled header. With a base directory a
  # clone elsewhere finds what this one compiled.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
               CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()
find_program(LLD NAMES ld.lld-19 ld.lld)
if(LLD)
  add_link_options(-fuse-ld=${LLD})
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # A field that is left out has its default initializer: that is the point of naming the others.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-designated-field-initializers>)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # ccache can cache a precompiled header only without time stamps in it.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Xclang> $<$<COMPILE_LANGUAGE:CXX>:-fno-pch-timestamp>)
endif()
if(PCOMPOSE_SANITIZE)
  add_compile_options(-fsanitize=${PCOMPOSE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PCOMPOSE_SANITIZE})
endif()
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections)

# pcompose_room(NAME SOURCES... LINKS...): a room of DESIGN.md, a static library with only these links.
function(pcompose_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(pcompose_${name} STATIC ${ARG_SOURCES})
  target_include_directories(pcompose_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(pcompose_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# pcompose_test(NAME LABEL SOURCES... LINKS...): a GoogleTest program, one ctest per program and label.
function(pcompose_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  # Half the time to compile; what they spend their time in is elsewhere.
  target_compile_options(${name} PRIVATE -O0)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 900)
endfunction()

# pcompose_fuzz(NAME SOURCES... LINKS...): replays the seeds as a test in every build; with PCOMPOSE_FUZZ also
# fuzzes for five seconds.
function(pcompose_fuzz name)
  cmake_parse_arguments(ARG "" "SEEDS" "SOURCES;LINKS" ${ARGN})
  if(NOT PCOMPOSE_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  # Without it libFuzzer sees no coverage and only replays mutations of the seeds blindly. Only where it pays: it
  # takes time to compile.
  foreach(room ${ARG_LINKS})
    target_compile_options(${room} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(${room} PUBLIC -fsanitize=fuzzer-no-link)
  endforeach()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  set(corpus ${CMAKE_BINARY_DIR}/fuzz/${name}.corpus)
  file(MAKE_DIRECTORY ${corpus})
  add_test(NAME ${name} COMMAND ${name} -max_total_time=5 -rss_limit_mb=1024 -timeout=5
                                ${corpus} ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SEEDS})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()
