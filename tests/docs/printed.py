"""Whether a program printed what a page shows.

In a page "..." stands for any text, as a line for any lines. A line that is JSON has to be equal; in others a number stands
for any number, with its unit of time, and spaces for any spaces. Lines of the log and warnings of samovar-load come and go.
"""

import json
import re

_VARIES = {
    r"\.\.\.": r".*",
    r"(?:tcp|ipc)://[\w./:-]+": r"\S+",
    r"[\d-]{10}[ T][\d:]{8}": r"[\d-]{10}[ T][\d:]{8}",
    r" {2,}": r"\s+",
    r"\d[\d,]*(?:\.\d+)?(?: (?:us|ms|s|min)\b)?": r"\d[\d,]*(?:\.\d+)?(?: (?:us|ms|s|min)\b)?",
    r".": "",
}
_COMES_AND_GOES = re.compile(r"^warning: ")


def is_as_shown(shown: list[str], printed: str) -> bool:
    shown = [line for line in shown if not _COMES_AND_GOES.match(line)]
    lines = [line for line in printed.splitlines() if not _COMES_AND_GOES.match(line)]
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _pattern(line) for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _pattern(line: str) -> str:
    if _is_json(line):
        return re.escape(line) + "\n"
    parts = []
    for token in re.findall("|".join(_VARIES), line):
        known = next(pattern for form, pattern in _VARIES.items() if re.fullmatch(form, token))
        parts.append(known or re.escape(token))
    return "".join(parts) + r"\s*?\n"


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
