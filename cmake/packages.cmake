# Debian packages, by cpack: samovard, libsamovar-dev, python3-samovar. A component of install() is a package of the same
# name; what names none belongs to libsamovar-dev. script/package makes them.
if(NOT PROJECT_IS_TOP_LEVEL OR NOT SAMOVAR_MANUAL OR SAMOVAR_SANITIZE)
  return()
endif()
set(packages samovard libsamovar-dev python3-samovar)
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)

# What belongs to the system is not part of `cmake --install --prefix`.
install(FILES ${PROJECT_SOURCE_DIR}/deploy/samovard.toml DESTINATION /etc/samovar COMPONENT samovard EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_SOURCE_DIR}/deploy/samovard.service DESTINATION /lib/systemd/system COMPONENT samovard
        EXCLUDE_FROM_ALL)
file(GLOB documents ${PROJECT_SOURCE_DIR}/docs/*.md)
install(FILES ${documents} DESTINATION /usr/share/doc/samovard COMPONENT samovard EXCLUDE_FROM_ALL)
install(CODE "set(python_worker \"${PROJECT_SOURCE_DIR}/python_worker\")
              set(scratch \"${PROJECT_BINARY_DIR}/python3-samovar\")" COMPONENT python3-samovar EXCLUDE_FROM_ALL)
install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_python.cmake COMPONENT python3-samovar EXCLUDE_FROM_ALL)
foreach(package IN LISTS packages)
  install(FILES ${debian}/copyright ${PROJECT_BINARY_DIR}/debian/changelog.Debian.gz
                ${PROJECT_BINARY_DIR}/debian/changelog.gz
          DESTINATION /usr/share/doc/${package} COMPONENT ${package} EXCLUDE_FROM_ALL)
endforeach()

string(TIMESTAMP day "%a, %d %b %Y 00:00:00 +0000" UTC) # SOURCE_DATE_EPOCH, where it is set
set(maintainer "The Samovar authors <samovar@samovar.invalid>")
file(WRITE ${PROJECT_BINARY_DIR}/debian/changelog.Debian
     "samovar (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n  * Release ${PROJECT_VERSION}: see changelog.gz.\n\n"
     " -- ${maintainer}  ${day}\n")
configure_file(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_BINARY_DIR}/debian/changelog COPYONLY)
execute_process(COMMAND gzip -9nfk changelog changelog.Debian WORKING_DIRECTORY ${PROJECT_BINARY_DIR}/debian
                COMMAND_ERROR_IS_FATAL ANY)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL ${packages})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_SET_DESTDIR ON) # /etc and /lib are absolute
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_PACKAGE_NAME samovar)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${maintainer})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SAMOVARD_PACKAGE_NAME samovard)
set(CPACK_DEBIAN_SAMOVARD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SAMOVARD_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_SAMOVARD_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_SAMOVARD_PACKAGE_RECOMMENDS python3-samovar)
set(CPACK_COMPONENT_SAMOVARD_DESCRIPTION
    "broker that calls resident Python workers\nTakes calls from clients in several languages and balances them over Python workers that have\nloaded their packages once. With the commands samovar and samovar-load.")
set(CPACK_DEBIAN_LIBSAMOVAR-DEV_PACKAGE_NAME libsamovar-dev)
set(CPACK_DEBIAN_LIBSAMOVAR-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBSAMOVAR-DEV_PACKAGE_DEPENDS "libzmq3-dev (>= 4.3), libmsgpack-cxx-dev, pkg-config")
set(CPACK_DEBIAN_LIBSAMOVAR-DEV_PACKAGE_SUGGESTS "cmake, python3-samovar")
set(CPACK_COMPONENT_LIBSAMOVAR-DEV_DESCRIPTION
    "C++20 client of Samovar\nCalls Python services through a Samovar broker: headers, static library, CMake and pkg-config files.")
set(CPACK_DEBIAN_PYTHON3-SAMOVAR_PACKAGE_NAME python3-samovar)
set(CPACK_DEBIAN_PYTHON3-SAMOVAR_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON3-SAMOVAR_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON3-SAMOVAR_PACKAGE_DEPENDS "python3 (>= 3.11), python3-zmq, python3-msgpack")
set(CPACK_DEBIAN_PYTHON3-SAMOVAR_PACKAGE_SUGGESTS "python3-numpy")
set(CPACK_COMPONENT_PYTHON3-SAMOVAR_DESCRIPTION
    "workers and clients of Samovar in Python\nServes Python packages to callers in other processes and languages, and calls them.")
foreach(package IN LISTS packages)
  string(TOUPPER ${package} component)
  file(GLOB control ${debian}/${package}/*)
  set(CPACK_DEBIAN_${component}_PACKAGE_CONTROL_EXTRA ${control})
endforeach()
include(CPack)
