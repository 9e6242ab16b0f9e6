# What a user runs goes to bin, what these start goes to libexec/pcompose (base/process.h, own_program()).
# Targets of rooms that are not there yet are left out. Included last.
set(user_programs pcompose pcompose-runtime)
set(own_programs pcompose-supervisor pcompose-keeper pcompose-images pcompose-init pcompose-holder pcompose-unit pcompose-forwarder pcompose-zone)

# `cmake --build --preset release --target programs`: everything that runs, without the tests.
add_custom_target(programs)
foreach(program IN LISTS user_programs own_programs)
  if(TARGET ${program})
    add_dependencies(programs ${program})
    list(FIND user_programs ${program} is_for_users)
    if(is_for_users EQUAL -1)
      install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/pcompose)
    else()
      install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
