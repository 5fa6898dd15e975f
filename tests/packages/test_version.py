"""The file VERSION says the version, and everything else follows it."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from e2e.processes import BIN, ROOT, Scene
from script.lib import version

SCRIPTS = tomllib.loads((ROOT / "python_worker/pyproject.toml").read_text())["project"]["scripts"]


def test_every_copy_of_the_version_is_the_version() -> None:
    assert version.differing() == []


@pytest.mark.parametrize(
    "program", ["samovard", "samovar", "samovar-load", *SCRIPTS], ids=lambda name: str(name)
)
def test_every_command_says_it(program: str) -> None:
    where = ROOT / "build/venv/bin" if program in SCRIPTS else BIN
    said = subprocess.run([where / program, "--version"], check=True, capture_output=True).stdout
    assert said.decode() == f"{program} {version.current()}\n"


def test_a_broker_says_it_to_whoever_asks(scene: Scene) -> None:
    assert scene.broker().client().ok("samovar.status")["broker"]["software"] == (
        f"samovard {version.current()}"
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that carry a version, on their own."""
    for path in {path for path, _ in version.copies(ROOT)} | {ROOT / "CHANGELOG.md"}:
        to = tmp_path / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return tmp_path


def test_changing_it_changes_every_copy_and_nothing_else(copy: Path) -> None:
    before = (copy / "node_client/package-lock.json").read_text()
    version.change("7.8.9", copy)
    assert version.current(copy) == "7.8.9"
    assert version.differing(copy) == []
    after = (copy / "node_client/package-lock.json").read_text()
    changed = [b for a, b in zip(before.splitlines(), after.splitlines()) if a != b]
    assert [line.strip() for line in changed] == ['"version": "7.8.9",'] * 2
    assert "samovard 7.8.9, serving" in (copy / "docs/running.md").read_text()


def test_a_copy_that_differs_is_named(copy: Path) -> None:
    package = copy / "node_client/package.json"
    package.write_text(package.read_text().replace(version.current(), "9.9.9"))
    assert version.differing(copy) == [
        f"node_client/package.json: 9.9.9, VERSION says {version.current()}"
    ]


def test_a_released_version_stays_in_the_changelog_when_the_next_begins(copy: Path) -> None:
    changes = copy / "CHANGELOG.md"
    changes.write_text("# Changelog\n\n## 1.0.0 (2026-01-02)\n\n- All of it.\n")
    version.change("1.1.0", copy)
    assert "\n## Unreleased (1.1.0)\n\n## 1.0.0 (2026-01-02)\n" in changes.read_text()
    version.change("2.0.0", copy)
    assert "\n## Unreleased (2.0.0)\n\n## 1.0.0 (2026-01-02)\n" in changes.read_text()


@pytest.mark.parametrize("word", ["1.2", "v1.2.3", "1.2.3-rc1", ""])
def test_what_is_no_version_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert version.main(word) == 2
    assert capsys.readouterr().err == f"'{word}' is no version: write X.Y.Z\n"
