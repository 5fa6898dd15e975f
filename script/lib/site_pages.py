"""Gathers the pages of the site: docs/, what it links to outside of docs/, and links that fit. Usage: site_pages.py FOLDER

A file of the repository that a page links to becomes a page of its own, under source/, so that the site is whole without the
repository. A link to something that is not there ends this with exit code 1 and its name.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Code comes first: what looks like a link in it is none.
LINK = re.compile(
    r"```.*?^```|`[^`\n]*`|(\[[\w./-]+\.md)?(\]\()([^)\s#]+)((?:#[^)\s]*)?\))",
    re.DOTALL | re.MULTILINE,
)
# Pages that stand elsewhere in the repository, and where the site has them.
MOVED = {
    "proto/PROTOCOL.md": "reference/protocol.md",
    "proto/DECISIONS.md": "explanation/decisions.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "readme.md",
}
LANGUAGES = {
    ".py": "python",
    ".hpp": "cpp",
    ".cpp": "cpp",
    ".mjs": "js",
    ".service": "ini",
    ".ts": "ts",
}


class Site:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources: set[str] = set()
        self.broken: list[str] = []

    def gather(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(DOCS, self._folder)
        for page in sorted(DOCS.rglob("*.md")):
            self._page(page, str(page.relative_to(DOCS)))
        for path, target in MOVED.items():
            self._page(ROOT / path, target)
        for path in sorted(self._sources):
            self._source(path)

    def _page(self, path: Path, target: str) -> None:
        text = path.read_text(encoding="utf-8")
        rewritten = LINK.sub(lambda found: self._rewritten(path, target, found), text)
        # A list right behind a paragraph is one for GitHub, and needs an empty line here.
        rewritten = re.sub(r"(?m)^(?![-|#\s>]|\d+\.)(.+)\n(?=(?:- |\d+\. ))", r"\1\n\n", rewritten)
        out = self._folder / target
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(rewritten, encoding="utf-8")

    def _rewritten(self, page: Path, target: str, found: "re.Match[str]") -> str:
        text, opening, to, rest = found.groups()
        if opening is None:
            return found[0]
        if text and (title := self._title(page.parent / to)):
            text = f"[{title}"  # [pool.md](pool.md) in the repository is [The pool](pool.md) here
        return (text or "") + opening + self._link(page, target, to) + rest

    @staticmethod
    def _title(page: Path) -> str:
        if page.suffix != ".md" or not page.is_relative_to(ROOT) or not page.exists():
            return ""
        return (
            page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(":")[0]
        )

    def _link(self, page: Path, target: str, to: str) -> str:
        if "://" in to or to.startswith("mailto:"):
            return to
        place = Path(os.path.normpath(page.parent / to))
        if not place.is_relative_to(ROOT) or not place.exists():
            self.broken.append(f"{page.relative_to(ROOT)} links to {to}, which is not there")
            return to
        return os.path.relpath(self._target_of(place), Path(target).parent)

    def _target_of(self, place: Path) -> str:
        path = str(place.relative_to(ROOT))
        if path in MOVED:
            return MOVED[path]
        if place.is_relative_to(DOCS):
            return str(place.relative_to(DOCS))
        self._sources.add(path)
        return f"source/{path}.md"

    def _source(self, path: str) -> None:
        place = ROOT / path
        if place.is_dir():
            body = "\n".join(f"- `{each.name}`" for each in sorted(place.iterdir()))
        else:
            language = LANGUAGES.get(place.suffix, place.suffix.removeprefix("."))
            body = f"````{language}\n{place.read_text(encoding='utf-8')}\n````"
        out = self._folder / f"source/{path}.md"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(f"# {path}\n\n{body}\n", encoding="utf-8")


def main(folder: str) -> int:
    site = Site(Path(folder))
    site.gather()
    for sentence in site.broken:
        print(f"script/docs: {sentence}", file=sys.stderr)
    return 1 if site.broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
