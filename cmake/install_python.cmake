# Installs the Python package as Debian lays it out. python_worker: its source; scratch: a folder for the wheel.
file(REMOVE_RECURSE ${scratch})
file(COPY ${python_worker}/ DESTINATION ${scratch}/source PATTERN __pycache__ EXCLUDE PATTERN *.egg-info EXCLUDE
                                                           PATTERN tests EXCLUDE)
function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(/usr/bin/python3 -m build --no-isolation --wheel --outdir ${scratch} ${scratch}/source)
file(GLOB wheel ${scratch}/*.whl)
run(env DEB_PYTHON_INSTALL_LAYOUT=deb /usr/bin/python3 -m installer --destdir $ENV{DESTDIR}/ --prefix ${CMAKE_INSTALL_PREFIX}
    --no-compile-bytecode ${wheel})
