"""Writes docs/benchmarks.md and its plots from the results of a run. Usage: script/bench --page"""

import re
from pathlib import Path
from typing import Any

from bench import bars, overload, plots, tables

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "page.md"
NOTES = HERE / "notes.md"
BODIES = {"100B": 100, "10KiB": 10 << 10, "1MiB": 1 << 20, "64MiB": 64 << 20}


def notes(text: str) -> dict[str, str]:
    """What was written by hand about each bar: the sections of notes.md, by name."""
    parts = re.split(r"^## (\S+)\s*$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2])}


def shortfalls(rounds: bars.Rounds, written: dict[str, str]) -> str:
    """A section for each bar that is short."""
    sections = []
    for bar in bars.BARS:
        if bar.verdict(rounds) == "short":
            text = written.get(bar.name, "Not written up yet: tests/bench/notes.md.")
            sections.append(f"### {bar.name}\n\n{text}")
    return "\n\n".join(sections) or "Every bar is met."


def _rows(rounds: bars.Rounds, outstanding: int, key: str, largest_first: bool) -> list[plots.Row]:
    rows = []
    for name, label in tables.PATHS.items():
        if value := bars.figure(rounds, f"{name}/{outstanding}", key):
            ours = name.startswith("samovar")
            text = label.replace("**", "")
            rows.append(plots.Row(text, value.median, value.low, value.high, ours))
    return sorted(rows, key=lambda row: row.value, reverse=largest_first)


def draw(rounds: bars.Rounds) -> dict[str, str]:
    """The plots, by file name."""
    loads = [
        (f"calls/s, {n:,} outstanding", _rows(rounds, n, "rps", True)) for n in tables.OUTSTANDING
    ]
    waits = [
        ("p50, 1 outstanding", _rows(rounds, 1, "p50_us", False)),
        ("p99, 1 outstanding", _rows(rounds, 1, "p99_us", False)),
    ]
    drawn = {
        "throughput.svg": plots.chart(loads, "/s"),
        "latency.svg": plots.chart(waits, " us"),
    }
    for measured in rounds.get("overload", []):
        if measured:
            drawn["overload.svg"] = overload.draw(measured)
    return drawn


def render(results: dict[str, Any], template: str, notes_text: str) -> str:
    rounds: bars.Rounds = results["rounds"]
    failures = [f"- {name}: {why}" for name, why in results["failures"].items()]
    parts = {
        "machine": tables.machine(results["machine"]),
        "bars": tables.bar_table(rounds),
        "notes": shortfalls(rounds, notes(notes_text)),
        "throughput": tables.throughput(rounds),
        "latency": tables.latency(rounds),
        "peers": tables.peers(rounds),
        "bodies": tables.bodies(rounds, BODIES),
        "overload": tables.overload(rounds),
        "cpu": tables.cpu(rounds),
        "instructions": tables.instructions(rounds),
        "core": tables.core(rounds),
        "failures": "\n".join(failures) or "Nothing was left out.",
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def write(results: dict[str, Any], path: Path) -> None:
    plots_folder = path.parent / "benchmarks"
    plots_folder.mkdir(parents=True, exist_ok=True)
    for name, svg in draw(results["rounds"]).items():
        (plots_folder / name).write_text(svg)
    text = render(results, TEMPLATE.read_text(), NOTES.read_text())
    path.write_text(text)
