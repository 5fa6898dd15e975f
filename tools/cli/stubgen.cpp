// samovar stubgen: it reads Python, so that it is written in Python.
#include <unistd.h>

#include <cstdio>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"

namespace samovar::cli {

int stubgen(char** argv) {
  static char program[] = "samovar-stubgen";
  argv[0] = program;
  execvp(program, argv);
  std::fprintf(stderr,
               "samovar: samovar-stubgen is not on PATH: install the Python package samovar, which has it "
               "(Debian: python3-samovar)\n");
  return kUsageError;
}

}  // namespace samovar::cli
