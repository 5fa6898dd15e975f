"""The version: the file VERSION says it, and what is published on its own carries a copy. Usage: version.py [X.Y.Z]

Without an argument it names the copies that differ, with one it changes them all.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = r"[0-9]+\.[0-9]+\.[0-9]+"
_UNRELEASED = re.compile(rf"^## Unreleased \(({_NUMBER})\)$", re.MULTILINE)
# File, as a glob, and what stands before each copy in it.
_COPIES = (
    ("VERSION", r"\A"),
    ("python_worker/samovar/__init__.py", r'^__version__ = "'),
    ("node_client/package.json", r'^  "version": "'),
    ("node_client/package-lock.json", r'\A{\n  "name": "samovar",\n  "version": "'),
    ("node_client/package-lock.json", r'^    "": {\n      "name": "samovar",\n      "version": "'),
    ("docs/*.md", r"samovar(?:d|-dev)?[ _-]"),  # what samovard says, names of packages
    ("deploy/Containerfile", r"samovar:"),
    ("deploy/compose.yaml", r"samovar:"),
    ("deploy/kubernetes/*.yaml", r"samovar:"),
)


def current(root: Path = ROOT) -> str:
    return (root / "VERSION").read_text(encoding="utf-8").strip()


def copies(root: Path) -> Iterator[tuple[Path, "re.Pattern[str]"]]:
    for glob, before in _COPIES:
        paths = sorted(root.glob(glob))
        for path in paths or [root / glob]:
            yield path, re.compile(f"({before})({_NUMBER})", re.MULTILINE)


def differing(root: Path = ROOT) -> list[str]:
    """One sentence for each copy that is not the version, and for each place that has none."""
    version, wrong = current(root), []
    for path, pattern in copies(root):
        name = path.relative_to(root)
        found = pattern.findall(path.read_text(encoding="utf-8"))
        if not found and name.suffix != ".md":
            wrong.append(f"{name}: no version at {pattern.pattern!r}")
        wrong += [f"{name}: {each}, VERSION says {version}" for _, each in found if each != version]
    if f"({version})" not in _changes_head(root) and f"## {version}" not in _changes_head(root):
        wrong.append(f"CHANGELOG.md: the first section is not that of {version}")
    return wrong


def _changes_head(root: Path) -> str:
    """The heading of the first section."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    return next((line for line in text.splitlines() if line.startswith("## ")), "")


def change(version: str, root: Path = ROOT) -> None:
    """Changes all copies; what has no section of the changelog gets one."""
    for path, pattern in copies(root):
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(rf"\g<1>{version}", text), encoding="utf-8")
    changes, heading = root / "CHANGELOG.md", f"## Unreleased ({version})"
    text = changes.read_text(encoding="utf-8")
    if _UNRELEASED.search(_changes_head(root)):
        text = _UNRELEASED.sub(heading, text, count=1)
    elif f"## {version}" not in _changes_head(root):
        text = re.sub(r"^## ", f"{heading}\n\n## ", text, count=1, flags=re.MULTILINE)
    changes.write_text(text, encoding="utf-8")


def main(*arguments: str) -> int:
    if arguments:
        if len(arguments) > 1 or not re.fullmatch(_NUMBER, arguments[0]):
            print(f"'{' '.join(arguments)}' is no version: write X.Y.Z", file=sys.stderr)
            return 2
        change(arguments[0])
    wrong = differing()
    print("\n".join(wrong) or current())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
