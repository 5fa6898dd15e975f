# samovar_generate_stubs(<target> <module>:<object> [HEADER <name>] [NAMESPACE <name>] [WORKING_DIRECTORY <dir>]
#                        [DEPENDS <file>...] [ALLOW_ANY])
#
# Makes a C++ header out of the type hints of a service, before <target> is compiled, which may then
# #include "<name>": HEADER, or else the last part of the module with .hpp. The module is imported in WORKING_DIRECTORY
# (default: the current source directory). The header is made again when the module's own file, or one of DEPENDS, is newer.
#
# SAMOVAR_STUBGEN is the program that does it: samovar-stubgen, of the Python package samovar.
function(samovar_generate_stubs target service)
  cmake_parse_arguments(PARSE_ARGV 2 arg "ALLOW_ANY" "HEADER;NAMESPACE;WORKING_DIRECTORY" "DEPENDS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "samovar_generate_stubs: what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT service MATCHES "^([A-Za-z_][A-Za-z0-9_.]*):[A-Za-z_][A-Za-z0-9_.]*$")
    message(FATAL_ERROR "samovar_generate_stubs: '${service}' is not MODULE:OBJECT, as in examples.ipgeo:service")
  endif()
  set(module ${CMAKE_MATCH_1})
  find_program(SAMOVAR_STUBGEN samovar-stubgen DOC "Makes stubs for Samovar's services")
  if(NOT SAMOVAR_STUBGEN)
    message(FATAL_ERROR "samovar_generate_stubs needs samovar-stubgen, of the Python package samovar: install that, or "
                        "set SAMOVAR_STUBGEN to its path")
  endif()
  if(NOT arg_WORKING_DIRECTORY)
    set(arg_WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  cmake_path(ABSOLUTE_PATH arg_WORKING_DIRECTORY BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX MATCH "[^.]+$" last ${module})
  if(NOT arg_HEADER)
    set(arg_HEADER ${last}.hpp)
  endif()
  string(REPLACE "." "/" path ${module})
  foreach(file ${path}.py ${path}/__init__.py)
    if(EXISTS ${arg_WORKING_DIRECTORY}/${file})
      list(APPEND arg_DEPENDS ${arg_WORKING_DIRECTORY}/${file})
    endif()
  endforeach()
  set(options)
  if(arg_NAMESPACE)
    list(APPEND options --namespace ${arg_NAMESPACE})
  endif()
  if(arg_ALLOW_ANY)
    list(APPEND options --allow-any)
  endif()

  set(directory ${CMAKE_CURRENT_BINARY_DIR}/samovar_stubs)
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(
    OUTPUT ${directory}/${arg_HEADER}
    COMMAND ${SAMOVAR_STUBGEN} ${service} --cpp ${directory}/${arg_HEADER} ${options}
    # What did not change is not written: its time must change all the same.
    COMMAND ${CMAKE_COMMAND} -E touch ${directory}/${arg_HEADER}
    DEPENDS ${arg_DEPENDS}
    WORKING_DIRECTORY ${arg_WORKING_DIRECTORY}
    COMMENT "Generating ${arg_HEADER} from ${service}"
    VERBATIM)
  target_sources(${target} PRIVATE ${directory}/${arg_HEADER})
  target_include_directories(${target} PRIVATE ${directory})
endfunction()
