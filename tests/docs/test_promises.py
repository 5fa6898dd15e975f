"""docs/PROMISES.md names tests: they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/PROMISES.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/.*-]*(?:test_\w+|_test\.cpp|\.txt|\.py)[\w.]*)`", TEXT)))


def is_there(name: str) -> bool:
    if name.endswith(".txt"):
        return any((ROOT / "tests/broker/scenarios").glob(name))
    if name.endswith((".py", ".cpp")):
        return any(any(ROOT.glob(f"{folder}{name}")) for folder in ("", "tests/e2e/"))
    function = re.compile(rf"^def {re.escape(name)}\(", re.MULTILINE)
    files = [*ROOT.glob("tests/e2e/test_*.py"), *ROOT.glob("python_worker/tests/test_*.py")]
    return any(function.search(file.read_text(encoding="utf-8")) for file in files)


def test_there_are_names() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("name", NAMED)
def test_what_promises_name_is_there(name: str) -> None:
    assert is_there(name)
