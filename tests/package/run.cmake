# Installs the build tree BUILD into SCRATCH/prefix, builds this folder's project against it and runs it; its program too
# without CMake, by pkg-config.
file(REMOVE_RECURSE ${SCRATCH})

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command} failed (${result}):\n${output}")
  endif()
endfunction()

set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()
step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
step(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${SCRATCH}/build -G ${GENERATOR}
     -D SAMOVAR_STUBGEN=${STUBGEN} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_CXX_FLAGS=${flags} -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix)
step(${CMAKE_COMMAND} --build ${SCRATCH}/build)
step(${SCRATCH}/build/consumer)

find_program(PKG_CONFIG pkg-config REQUIRED)
file(GLOB_RECURSE found ${SCRATCH}/prefix/*/samovar.pc)
cmake_path(GET found PARENT_PATH directory)
set(ENV{PKG_CONFIG_PATH} ${directory})
# Not --static: libsamovar is an archive anyhow, and Debian's libzmq.pc then asks for archives that no package has.
execute_process(COMMAND ${PKG_CONFIG} --cflags --libs samovar OUTPUT_VARIABLE options
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(options UNIX_COMMAND "${options}")
set(ENV{PYTHONPATH} ${CMAKE_CURRENT_LIST_DIR})
step(${STUBGEN} tea:service --cpp ${SCRATCH}/tea.hpp)
step(${CXX} -std=c++20 ${flags} -I${SCRATCH} ${CMAKE_CURRENT_LIST_DIR}/main.cpp ${options} -o ${SCRATCH}/by_pkg_config)
step(${SCRATCH}/by_pkg_config)
