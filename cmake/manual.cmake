# Manual pages and completions in manual/, made from what the programs say of themselves: see tools/manual.
option(SAMOVAR_MANUAL "Make manual pages and completions; needs /usr/bin/python3 with python3-zmq and python3-msgpack"
       ${PROJECT_IS_TOP_LEVEL})
get_property(programs GLOBAL PROPERTY SAMOVAR_PROGRAMS)
if(NOT SAMOVAR_MANUAL OR NOT programs OR SAMOVAR_SANITIZE)
  return()
endif()
set(files "")
foreach(program IN LISTS programs)
  list(APPEND files $<TARGET_FILE:${program}>)
endforeach()
file(GLOB generator CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/manual/*.py)
file(GLOB_RECURSE scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python_worker/samovar/*.py)
set(project ${PROJECT_SOURCE_DIR}/python_worker/pyproject.toml)
set(manual ${PROJECT_BINARY_DIR}/manual)
add_custom_command(
  OUTPUT ${manual}.stamp
  COMMAND /usr/bin/python3 -B -m tools.manual ${manual} ${PROJECT_VERSION} ${files} -- ${project}
  COMMAND ${CMAKE_COMMAND} -E touch ${manual}.stamp
  DEPENDS ${programs} ${generator} ${scripts} ${project}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "Making manual pages and completions"
  VERBATIM)
add_custom_target(manual ALL DEPENDS ${manual}.stamp)
foreach(component samovard python3-samovar)
  install(DIRECTORY ${manual}/${component}/ DESTINATION ${CMAKE_INSTALL_DATADIR} COMPONENT ${component})
endforeach()
