"""Fails if a test file of this repository was not run. Usage: every_test_ran.py CTEST_XML PYTEST_XML [FILE...]

The first two arguments are the JUnit reports of the run, the others what cannot run here. A file counts as run when at least one of its tests
was executed: a file that was not compiled in, not collected, or skipped as a whole does not.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {"build", "node_modules"}


def files_named(pattern: str) -> set[str]:
    """The repository's files that match, as paths relative to its root."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob(pattern))
    return {str(path) for path in paths if not NOT_OURS.intersection(path.parts)}


def executed(report: str, attribute: str) -> set[str]:
    """The named attribute of every test case in a JUnit report that was not skipped."""
    cases = ElementTree.parse(report).iter("testcase")
    return {
        case.get(attribute, "")
        for case in cases
        if case.find("skipped") is None and case.get("status") not in ("notrun", "disabled")
    }


def test_cases_outside_test_files() -> set[str]:
    """C++ files with test cases that do not end in _test.cpp, which CTest would not run."""
    sources = files_named("*.cpp") - files_named("*_test.cpp")
    return {path for path in sources if "\nTEST_CASE" in (ROOT / path).read_text(encoding="utf-8")}


def main(ctest_report: str, pytest_report: str, *excused: str) -> int:
    cpp = files_named("*_test.cpp")
    python = files_named("test_*.py") | files_named("*_test.py")
    # tests/proto/codec_test.cpp is the CTest test proto/codec
    cpp_run = {f"tests/{name}_test.cpp" for name in executed(ctest_report, "name")}
    left_out = (cpp - cpp_run) | (python - executed(pytest_report, "file"))
    left_out |= test_cases_outside_test_files()
    for path in sorted(left_out.intersection(excused)):
        print(f"NOT RUN, since what it needs cannot be had here: {path}", file=sys.stderr)
    left_out -= set(excused)
    for path in sorted(left_out):
        print(f"test file was not run: {path}", file=sys.stderr)
    if not cpp or not python:
        print("there are no C++ or no Python test files", file=sys.stderr)
        return 1
    if not left_out:
        but = f", but {len(excused)}" if excused else ""
        print(f"every test file was run{but}: {len(cpp)} C++, {len(python)} Python")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
