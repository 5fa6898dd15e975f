"""The table of counters in docs/running.md is that of broker/core/counters.hpp."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_counter_is_explained_in_the_same_words() -> None:
    code = re.sub(r'"\s*"', "", (ROOT / "broker/core/counters.hpp").read_text())
    counters = re.findall(r'NamedCounter\{"(\w+)",\s*"([^"]+)"', code)
    page = (ROOT / "docs/running.md").read_text().split("## Counters")[1]
    assert counters and re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE) == counters
