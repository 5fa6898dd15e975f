"""Usage: python3 -m tools.manual OUT VERSION PROGRAM... -- PYPROJECT

Writes OUT/samovard/ and OUT/python3-samovar/, which hold what these packages have in /usr/share: manual pages and
completions of the programs, and of the console scripts of the pyproject file.
"""

import gzip
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.manual import bash, fish, page, zsh
from tools.manual.command import Command, of_program, of_script


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_page(share: Path, name: str, section: int, text: str) -> None:
    path = share / f"man/man{section}/{name}.{section}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _lend(scripts: list[Command], programs: list[Command]) -> None:
    """`samovar stubgen` runs the script samovar-stubgen: it takes what that takes, and has its page."""
    by_name = {script.name: script for script in scripts}
    for program in programs:
        for command in program.all():
            if script := by_name.get(command.name.replace(" ", "-")):
                command.options, command.arguments = script.options, script.arguments
                command.has_page = False


def _write_all(share: Path, programs: list[Command], version: str, others: list[str]) -> None:
    for program in programs:
        for command in program.all():
            if not command.has_page:
                continue
            name = command.name.replace(" ", "-")
            related = [f"{each.name.replace(' ', '-')}(1)" for each in program.all()]
            see_also = [each for each in related + others if each != f"{name}(1)"]
            text = page.page(command, version, dict.fromkeys(see_also))
            _write_page(share, name, 1, text)
        _write(share / f"bash-completion/completions/{program.name}", bash.completion(program))
        _write(share / f"zsh/vendor-completions/_{program.name}", zsh.completion(program))
        _write(share / f"fish/vendor_completions.d/{program.name}.fish", fish.completion(program))


def main(out: Path, version: str, programs: list[str], project: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    sys.path.insert(0, str(project.parent))
    scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
    compiled = [of_program(each) for each in programs]
    python = [of_script(name, target) for name, target in scripts.items()]
    for command in compiled + python:
        command.inherit([])
    _lend(python, compiled)
    others = sorted(f"{each.name}(1)" for each in compiled + python)
    _write_all(out / "samovard", compiled, version, [*others, "samovard.toml(5)"])
    _write_all(out / "python3-samovar", python, version, others)
    samovard = next(each for each in programs if Path(each).name == "samovard")
    configuration = subprocess.run(
        [samovard, "--print-default-config"], check=True, capture_output=True, text=True
    ).stdout
    text = page.configuration_page(configuration, version, ["samovard(1)"])
    _write_page(out / "samovard", "samovard.toml", 5, text)


if __name__ == "__main__":
    split = sys.argv.index("--")
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:split], Path(sys.argv[split + 1]))
