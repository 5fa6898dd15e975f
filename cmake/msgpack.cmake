# Defines samovar::msgpack, the header-only C++ msgpack without Boost. Found by its header, because its CMake
# package has another name in each major version and asks for Boost. Also installed, for find_package(samovar).
if(NOT TARGET samovar::msgpack)
  find_path(SAMOVAR_MSGPACK_INCLUDE_DIR msgpack.hpp)
  mark_as_advanced(SAMOVAR_MSGPACK_INCLUDE_DIR)
  if(SAMOVAR_MSGPACK_INCLUDE_DIR)
    add_library(samovar::msgpack INTERFACE IMPORTED)
    set_target_properties(samovar::msgpack PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${SAMOVAR_MSGPACK_INCLUDE_DIR}
                                                      INTERFACE_COMPILE_DEFINITIONS MSGPACK_NO_BOOST)
  endif()
endif()
