# Installs the library, its headers, the binaries, and the files for find_package(samovar).
if(NOT TARGET samovar_client)
  return()
endif()
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/samovar)

install(TARGETS samovar_proto samovar_client EXPORT samovarTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(include_dir proto/include client/include)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${include_dir}/samovar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN "*.hpp")
endforeach()

# For pkg-config; found from wherever the file lies.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_file(${PROJECT_SOURCE_DIR}/deploy/samovar.pc.in ${PROJECT_BINARY_DIR}/samovar.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/samovar.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(EXPORT samovarTargets NAMESPACE samovar:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/samovarConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/samovarConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/samovarConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/samovarConfig.cmake ${PROJECT_BINARY_DIR}/samovarConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/msgpack.cmake ${CMAKE_CURRENT_LIST_DIR}/samovarStubs.cmake DESTINATION ${package_dir})
