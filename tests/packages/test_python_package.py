"""The wheel and the sdist of python_worker/, each installed into an environment of its own and used from there."""

import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.processes import ROOT, Scene
from script.lib import version

APP = """
import samovar

service = samovar.Service("words")


@service.method
def capitals(text: str) -> str:
    return text.upper()
"""
CALL = """
import sys, samovar
assert samovar.__file__.startswith(sys.prefix), samovar.__file__
print(samovar.Client(sys.argv[1]).words.capitals("brew once"))
"""


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["wheel", "sdist"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One that holds the package, and from outside only zmq and msgpack."""
    source, made = tmp_path / "source", tmp_path / "made"
    left = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", ".*")
    shutil.copytree(ROOT / "python_worker", source, ignore=left)
    made.mkdir()
    # What python3 -m build of script/package calls as well.
    hook = f"from setuptools import build_meta; build_meta.build_{request.param}({str(made)!r})"
    run("/usr/bin/python3", "-c", hook, cwd=source)
    shutil.rmtree(source)
    (package,) = made.iterdir()
    assert package.name.startswith(f"samovar-{version.current()}")
    found = tmp_path / "environment"
    make = ["/usr/bin/python3", "-m", "venv", "--without-pip", "--system-site-packages", found]
    run(*make, cwd=tmp_path)
    pip = [found / "bin/python", "-m", "pip", "install", "--quiet", "--no-index"]
    run(*pip, "--no-build-isolation", "--disable-pip-version-check", package, cwd=tmp_path)
    return found


def test_its_worker_serves_its_client_and_its_stubgen_makes_a_header(
    scene: Scene, environment: Path
) -> None:
    commands, here = environment / "bin", scene.directory
    (here / "words.py").write_text(APP)
    said = run(commands / "samovar-worker", "--version", cwd=here)
    assert said == f"samovar-worker {version.current()}\n"
    run(commands / "samovar-stubgen", "words:service", "--cpp", here / "words.hpp", cwd=here)
    assert "capitals(" in (here / "words.hpp").read_text()

    broker = scene.broker()
    worker = [commands / "samovar-worker", "words:service", "--connect", broker.backend]
    scene.run(*worker, name="samovar-worker").wait_for_line("^samovar-worker: .* ready ")
    assert run(commands / "python", "-c", CALL, broker.frontend, cwd=here) == "BREW ONCE\n"


def test_it_brings_its_types(environment: Path) -> None:
    (typed,) = environment.rglob("samovar/py.typed")
    assert (typed.parent / "stubgen/cli.py").exists()
