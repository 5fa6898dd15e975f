"""Compiles the C++ blocks of a page: without optimization, with one precompiled header for all of them."""

import fcntl
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path

from e2e.processes import BIN, ROOT

_HEADERS = """#include <samovar/client.hpp>
#include <samovar/array.hpp>
#include <samovar/coroutine.hpp>
#include <iostream>
#include <map>
#include <string>
#include <vector>
"""
# A block without a main function is the body of one that has a client.
FRAGMENT = """#include <page.hpp>
using namespace std::chrono_literals;
void block(samovar::Client& client) {
  (void)client;
...
}
"""


@cache
def _libraries() -> list[str]:
    found = subprocess.run(
        ["pkg-config", "--libs", "libzmq"], check=True, capture_output=True, text=True
    )
    tree = BIN.parent
    return [str(next(tree.rglob("libsamovar.a"))), *map(str, tree.rglob("libsamovar_proto.a"))] + [
        *shlex.split(found.stdout),
        "-pthread",
    ]


@cache
def _flags() -> list[str]:
    """Those of a program that links the library, and the folder of the precompiled header, which is made when it is older."""
    includes = [f"-I{ROOT}/client/include", f"-I{ROOT}/proto/include"]
    flags = ["-std=c++20", "-O0", "-Wall", "-Wno-unused", "-DMSGPACK_NO_BOOST", *includes]
    folder = ROOT / "build/docs-blocks"
    folder.mkdir(parents=True, exist_ok=True)
    header = folder / "page.hpp"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = header.with_suffix(".hpp.gch")
        sources = [*ROOT.glob("client/include/**/*.hpp"), *ROOT.glob("proto/include/**/*.hpp")]
        newest = max(path.stat().st_mtime for path in sources)
        if not made.exists() or made.stat().st_mtime < newest or header.read_text() != _HEADERS:
            header.write_text(_HEADERS)
            new = folder / f"{os.getpid()}.gch"
            subprocess.run(["g++", *flags, "-x", "c++-header", header, "-o", new], check=True)
            new.rename(made)
    return [*flags, f"-I{folder}"]


def compile_block(source: Path, *, link: bool) -> str:
    """Makes a program beside the source, or only looks at it; returns what the compiler has against it."""
    command = ["g++", *_flags(), "-include", "page.hpp", f"-I{source.parent}", str(source)]
    command += ["-o", str(source.with_suffix("")), *_libraries()] if link else ["-fsyntax-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""
