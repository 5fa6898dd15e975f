"""script/release in a small checkout, in which what builds and tests only says so."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.processes import ROOT
from script.lib import version

NOW = version.current()
STUBS = {
    "script/test": "echo tested",
    "script/package": "mkdir -p build/packages && echo $SOURCE_DATE_EPOCH >build/packages/a.deb && touch build/packages/SHA256SUMS",
    "script/node": "true",
    "bin/npm": 'while [[ $1 != --pack-destination ]]; do shift; done; echo n >"$2/samovar.tgz"',
}


def run(here: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    who = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
    environment = os.environ | who | {"PATH": f"{here / 'bin'}:{os.environ['PATH']}"}
    environment["GIT_CONFIG_GLOBAL"] = os.devnull
    command = [str(word) for word in words]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    files = {path for path, _ in version.copies(ROOT)}
    files |= {ROOT / name for name in ("script/release", "script/lib/version.py", "CHANGELOG.md")}
    for path in files:
        to = tmp_path / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    for name, text in STUBS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".gitignore").write_text("/build/\n")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {NOW} (2026-01-02)\n\n- All.\n")
    (tmp_path / "build").mkdir()
    run(tmp_path, "git", "init", "-q")
    commit(tmp_path)
    return tmp_path


def commit(here: Path) -> None:
    run(here, "git", "add", "-A")
    assert run(here, "git", "commit", "-q", "-m", "all").returncode == 0


def test_what_it_made_has_its_sums_and_the_time_of_the_commit(checkout: Path) -> None:
    (checkout / f"build/release-{NOW}").mkdir()
    (checkout / f"build/release-{NOW}/old.deb").touch()
    done = run(checkout, "script/release")
    assert done.returncode == 0, done.stderr
    out = checkout / f"build/release-{NOW}"
    assert {path.name for path in out.iterdir()} == {"a.deb", "samovar.tgz", "SHA256SUMS"}
    sums = dict(line.split()[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("a.deb", "samovar.tgz")
    }
    assert (out / "a.deb").read_text() == run(checkout, "git", "log", "-1", "--format=%ct").stdout
    assert done.stdout.startswith(f"tested\nSamovar {NOW} of ") and sums["a.deb"] in done.stdout
    assert "tested" not in run(checkout, "script/release", "--no-tests").stdout


def refused(checkout: Path) -> str:
    done = run(checkout, "script/release")
    assert done.returncode == 1 and "tested" not in done.stdout
    assert not (checkout / f"build/release-{NOW}").exists()
    return done.stderr


def test_what_is_not_committed_is_refused_by_name(checkout: Path) -> None:
    (checkout / "new.txt").touch()
    assert "not committed:\n?? new.txt" in refused(checkout)


def test_a_changelog_without_the_version_is_refused(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased ({NOW})\n")
    commit(checkout)
    assert f"no section '## {NOW}'" in refused(checkout)


def test_versions_that_differ_are_refused(checkout: Path) -> None:
    (checkout / "node_client/package.json").write_text('{\n  "version": "9.9.9"\n}\n')
    commit(checkout)
    assert "node_client/package.json: 9.9.9" in refused(checkout)


def test_failing_tests_end_it(checkout: Path) -> None:
    (checkout / "script/test").write_text("#!/bin/bash\nexit 1\n")
    commit(checkout)
    assert refused(checkout) == ""


def test_other_words_get_its_usage() -> None:
    done = run(ROOT, "script/release", "--tests")
    assert done.returncode == 2 and done.stderr.startswith("Usage: script/release [--no-tests]")
