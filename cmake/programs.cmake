# samovar_program(TARGET): a command of the package samovard. It is installed, and gets a manual page and completions.
function(samovar_program target)
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT samovard)
  set_property(GLOBAL APPEND PROPERTY SAMOVAR_PROGRAMS ${target})
endfunction()
