"""A table of what gcovr counted, by part; exit code 1 when a part is below the bar.

Usage: coverage_table.py SUMMARY.json BAR
"""

import json
import sys
from collections import defaultdict


def main(summary: str, bar: float) -> int:
    with open(summary, encoding="utf-8") as file:
        files = json.load(file)["files"]
    parts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for entry in files:
        name = entry["filename"]
        part = next(part for part in ("proto", "broker/core", "client") if name.startswith(part))
        for what in ("line_covered", "line_total", "branch_covered", "branch_total"):
            parts[part][what] += entry[what]
    short = 0
    for part, counts in sorted(parts.items()):
        lines = 100 * counts["line_covered"] / counts["line_total"]
        branches = 100 * counts["branch_covered"] / counts["branch_total"]
        missed = min(lines, branches) < bar
        short += missed
        verdict = f"below the bar of {bar:g} %" if missed else "ok"
        print(f"{part:<12} lines {lines:5.1f} %  branches {branches:5.1f} %  {verdict}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
