"""Writes the pages of docs/reference/ that are made from the code: configuration, command line, metrics, Python.

Usage: reference.py [FOLDER], with the environment's Python, after script/build. tests/docs/test_reference.py holds them to it.
"""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SAMOVAR_BIN", ROOT / "build/release/bin"))
MADE = "<!-- Made by script/docs from the code: do not edit. -->"


def printed(*command: str | Path) -> str:
    program = (
        BIN / command[0]
        if (BIN / command[0]).exists()
        else Path(sys.executable).parent / command[0]
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "COLUMNS": "100", "PATH": path}
    words = [str(program), *map(str, command[1:])]
    return subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout


def cell(text: str) -> str:
    return text.replace("|", "\\|").strip()


# --- configuration: what samovard --print-default-config says, as tables --------------------------------


def configuration() -> str:
    lines = [
        "# Configuration",
        "",
        MADE,
        "",
        "`samovard --config FILE` reads TOML; the command line wins. `samovard --print-default-config` prints all of this as a file to",
        "start from. A key that is not known, or a value that it cannot have, ends `samovard` with exit code 2 and file, line and key.",
    ]
    about: list[str] = []
    in_table = False
    text = printed("samovard", "--print-default-config")
    body, _, service = text.partition("# A service that samovard starts by itself")
    for line in ("[]\n" + body.partition("\n")[2]).splitlines():
        if section := re.fullmatch(r"\[(\w*)\]", line):
            lines += ["", f"## `[{section[1]}]`" if section[1] else "## At the top of the file", ""]
            in_table = False
        elif comment := re.fullmatch(r"# ?(.*)", line):
            about.append(comment[1])
        elif key := re.fullmatch(r"(\w+) = (.*?)(?:\s+# (.*))?", line):
            if not in_table and about and lines[-2] != "## At the top of the file":
                lines += [" ".join(about), ""]
                about = []
            if not in_table:
                lines += ["| key | default | |", "|---|---|---|"]
            in_table = True
            words = " ".join([*about, key[3] or ""])
            lines.append(f"| `{key[1]}` | `{cell(key[2])}` | {cell(words)} |")
            about = []
    lines += [
        "",
        "## `[[service]]`",
        "",
        f"A service that samovard starts by itself{service.splitlines()[0]}",
        "",
    ]
    lines += ["| key | example | |", "|---|---|---|"]
    for line in service.splitlines()[1:]:
        if key := re.fullmatch(r"# (\w+) = (.*?)(?:\s+# (.*))?", line):
            lines.append(f"| `{key[1]}` | `{cell(key[2])}` | {cell(key[3] or '')} |")
        elif more := re.fullmatch(r"#\s+#\s+(\w+) = (\".*?\"),? (.*)", line):
            lines.append(f"| `{more[1]}` | `{cell(more[2])}` | {cell(more[3])} |")
    return "\n".join(lines) + "\n"


# --- the command line: --help of each --------------------------------------------------------------------


def command_line() -> str:
    subcommands = re.findall(
        r"^  (\w+)  +",
        printed("samovar", "--help").split("Subcommands:")[1].split("\n\n")[0],
        re.MULTILINE,
    )
    commands = [
        ["samovar"],
        *(["samovar", each] for each in subcommands),
        ["samovard"],
        ["samovar-worker"],
    ]
    commands += [["samovar-load"], ["samovar-load", "compare"]]
    parts = [f"# Command line\n\n{MADE}\n\nWhat each command says with `--help`.\n"]
    for command in commands:
        name = " ".join(command)
        help_text = printed(*command, "--help").rstrip("\n")
        parts.append(
            f"## {name}\n\n<!-- made: script/lib/reference.py -->\n```text\n{help_text}\n```\n"
        )
    return "\n".join(parts)


# --- metrics: the families of http/metrics.cpp and the counters of the core -------------------------------


def metrics() -> str:
    code = re.sub(r'"\s*\n\s*"', "", (ROOT / "http/metrics.cpp").read_text())
    families = re.findall(r'page\.family\("(\w+)",\s*"(\w+)",\s*"([^"]+)"\)', code)
    counters = re.sub(r'"\s*\n\s*"', "", (ROOT / "broker/core/counters.hpp").read_text())
    lines = ["# Metrics", "", MADE, ""]
    lines += ["`GET /metrics` of `samovard --http` ([http.md](../http.md)), for Prometheus.", ""]
    lines += ["| name | type | labels | |", "|---|---|---|---|"]
    for name, kind, what in families:
        lines.append(f"| `{name}` | {kind} | {labels_of(name, kind, code)} | {what} |")
    for name, what in re.findall(r'NamedCounter\{"(\w+)",\s*"([^"]+)"', counters):
        lines.append(f"| `samovar_{name}_total` | counter | | {what} |")
    return "\n".join(lines) + "\n"


def labels_of(name: str, kind: str, code: str) -> str:
    if kind == "histogram":
        return "`service`, `method`, `le`"
    if re.search(rf'gauge\("{name}"', code):
        return "`service`"
    form = rf'page\.sample\("{name}",\s*\{{((?:\{{[^}}]*\}},?\s*)*)\}}'
    sample = re.search(form, code)
    return (
        ", ".join(f"`{label}`" for label in re.findall(r'\{"(\w+)"', sample[1])) if sample else ""
    )


# --- Python: docstrings ---------------------------------------------------------------------------------


def python() -> str:
    import samovar
    import samovar.aio

    lines = [
        "# Python",
        "",
        MADE,
        "",
        "How these are used: [handlers](../handlers.md), [calling](../python.md).",
        "",
    ]
    names: list[tuple[str, Any]] = [
        (f"samovar.{name}", getattr(samovar, name)) for name in samovar.__all__
    ]
    for name, thing in [*names, ("samovar.aio.Client", samovar.aio.Client)]:
        lines += [f"## `{name}`", "", *described(name, thing)]
        if inspect.isclass(thing):
            for member, found in members(thing):
                lines += [
                    f"### `{name.rpartition('.')[2]}.{member}`",
                    "",
                    *described(member, found),
                ]
    return "\n".join(lines)


def members(cls: type) -> list[tuple[str, Any]]:
    own = [base for base in cls.__mro__ if base.__module__.startswith("samovar.")]
    found = {name: thing for base in reversed(own) for name, thing in vars(base).items()}
    return [
        (name, thing)
        for name, thing in found.items()
        if not name.startswith("_")
        and (callable(thing) or isinstance(thing, property))
        and inspect.getdoc(thing)
    ]


def described(name: str, thing: Any) -> list[str]:
    """As text in a block of its own: docstrings are written for help(), not in Markdown."""
    head = "" if isinstance(thing, property) else f"{name}{signature(thing)}\n\n"
    text = f"{head}{inspect.getdoc(thing) or ''}".rstrip()
    return ["<!-- made: script/lib/reference.py -->", "```text", text, "```", ""]


def signature(thing: Any) -> str:
    try:
        return re.sub(
            r"\bself(?:: ~Own)?, |\(self\)",
            lambda m: "()" if m[0] == "(self)" else "",
            str(inspect.signature(thing)),
        ).replace("~Own", "Client")
    except ValueError:  # it has none
        return ""


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "command-line.md": command_line,
    "metrics.md": metrics,
    "python.md": python,
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/reference")
