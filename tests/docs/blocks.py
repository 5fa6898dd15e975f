"""The fenced blocks of a page, and how each is run. CONTRIBUTING.md, "A block in a page", has the convention."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_WORDS = ("file", "excerpt", "with", "made", "not-run")
_COMMENT = re.compile(r"<!--\s*([\w-]+):?[ \n]?(.*?)-->", re.DOTALL)
_FENCE = re.compile(
    r"(?P<comments>(?:^[ ]*<!--(?:(?!-->).)*-->[ ]*\n+)*)"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    page: str
    line: int  # of its fence
    language: str
    text: str
    directives: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_session(self) -> bool:
        return self.language in ("", "console") and self.text.startswith("$ ")

    @property
    def reason_not_to_run(self) -> str | None:
        return self.directives.get("not-run")


def pages() -> list[str]:
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """In their order. `text` stands in for the page's own."""
    text = (ROOT / page).read_text(encoding="utf-8") if text is None else text
    found = []
    for match in _FENCE.finditer(text):
        comments = _COMMENT.findall(match["comments"])
        directives = {
            word: rest.strip("\n").strip(" ") for word, rest in comments if word in _WORDS
        }
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        line = text.count("\n", 0, match.end("comments")) + 1
        body = "".join(f"{each}\n" for each in lines)
        found.append(Block(page, line, match["language"], body, directives))
    return found


def setup_of(page: str) -> list[tuple[str, str]]:
    """What stands in the page's comments <!-- page: WORD REST -->: how its story begins."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"<!-- page: ([\w-]+) ?(.*?) -->", text)
