"""Stubs that samovar stubgen made: compiled, called, and told when the service has changed."""

import json
import os
import subprocess

import pytest

from e2e.atelier import STUBGEN, Atelier, stubgen
from e2e.processes import SAMOVAR, Broker, Scene


@pytest.fixture
def atelier(scene: Scene, broker: Broker) -> Atelier:
    return Atelier(scene, broker)


def test_a_stub_calls_every_kind_of_method_with_every_type(atelier: Atelier) -> None:
    assert atelier.call() == "24 checks passed"


def test_a_caller_hears_what_has_changed_since_its_stub_was_made(atelier: Atelier) -> None:
    assert atelier.call("scale") == "2"
    atelier.change("class Point:\n    x: float\n", "class Point:\n    x: float\n    z: float\n")
    text = atelier.call("scale")
    assert text.startswith(
        "schema_mismatch: atelier.scale is not what the caller was built against: "
    )
    assert "parameter 'drawing'.points[].z: the workers need this field" in text
    assert "samovar stubgen" in text
    assert atelier.call("later") == "TEXT"  # methods that have not changed go on


def test_growth_that_does_no_harm_is_no_mismatch(atelier: Atelier) -> None:
    atelier.change("    y: float = 0.5\n", "    y: float = 0.5\n    z: float = 0.0\n")
    assert atelier.call("scale") == "2"
    atelier.change("def nothing() -> None:", "def something() -> None:")
    assert atelier.call("scale") == "2"
    atelier.change(
        "async def later(text: str)", "async def later(text: str | None, times: int = 1)"
    )
    atelier.change("    return text.upper()", '    return (text or "").upper()')
    assert atelier.call("later") == "TEXT"


def test_a_stub_out_of_the_running_service_or_a_schema_file_is_the_same(atelier: Atelier) -> None:
    here = atelier.app.parent
    stubgen(here, "atelier:service", "--cpp", "a.hpp", "--json", "a.json", "--ts", "a.d.ts")
    stubgen(here, "a.json", "--cpp", "b.hpp")
    stubgen(here, "atelier", "--endpoint", atelier.broker.frontend, "--cpp", "c.hpp")
    text = (here / "a.hpp").read_text()
    assert text == (here / "b.hpp").read_text() == (here / "c.hpp").read_text()
    assert json.loads((here / "a.json").read_text())["service"] == "atelier"
    written = os.stat(here / "a.hpp").st_mtime_ns
    stubgen(here, "a.json", "--cpp", "a.hpp", "--check")
    stubgen(here, "a.json", "--cpp", "a.hpp")
    assert os.stat(here / "a.hpp").st_mtime_ns == written
    (here / "a.hpp").write_text(text + "//\n")
    done = stubgen(here, "a.json", "--cpp", "a.hpp", "--check", code=1)
    assert done.stderr == "a.hpp is not up to date: run this without --check\n"


def test_the_schema_of_a_service_is_known_to_its_broker(atelier: Atelier) -> None:
    done = subprocess.run(
        [SAMOVAR, "--endpoint", atelier.broker.frontend, "call", "samovar.schema", "atelier"],
        capture_output=True,
        check=True,
    )
    known = json.loads(done.stdout)
    stubgen(atelier.app.parent, "atelier:service", "--json", "a.json")
    assert known["hash"] == json.loads((atelier.app.parent / "a.json").read_text())["hash"]


HALF = """
import dataclasses
import decimal
from samovar import Service

service = Service("half")


@dataclasses.dataclass
class Bill:
    total: decimal.Decimal


@service.method
def pay(
    bill: Bill,
    tags: set[str],
) -> None:
    pass
"""


def test_hints_that_cannot_be_expressed_are_named_with_file_and_line(scene: Scene) -> None:
    (scene.directory / "half.py").write_text(HALF)
    done = stubgen(scene.directory, "half:service", "--cpp", "half.hpp", code=1)
    lines = done.stderr.splitlines()
    where = f"{scene.directory}/half.py:14: pay: parameter "
    assert lines[0] == f"{where}'bill' (Bill): Decimal does not travel: use str or float"
    assert lines[1].startswith(f"{where}'tags': ") and lines[1].endswith("use list")
    assert lines[2] == (
        "samovar stubgen: 2 hints cannot be expressed; change them, or say --allow-any"
    )
    assert not (scene.directory / "half.hpp").exists()
    stubgen(scene.directory, "half:service", "--cpp", "half.hpp", "--allow-any")
    assert "const samovar::Value& bill" in (scene.directory / "half.hpp").read_text()


def test_wrong_usage_is_told_in_a_sentence(scene: Scene, broker: Broker) -> None:
    here = scene.directory
    assert "no module 'nothing'" in stubgen(here, "nothing:service", "--cpp", "-", code=2).stderr
    assert "is not MODULE:OBJECT" in stubgen(here, "nothing", "--cpp", "-", code=2).stderr
    (here / "x.json").write_text("[]")
    assert "x.json gives no schema" in stubgen(here, "x.json", "--cpp", "-", code=2).stderr
    (here / "half.py").write_text(HALF)
    done = stubgen(here, "half:service", "--allow-any", code=2)
    assert "say what to write: --cpp FILE" in done.stderr
    done = stubgen(here, "nobody", "--endpoint", broker.frontend, "--ts", "-", code=2)
    assert "no service 'nobody'" in done.stderr


def test_samovar_stubgen_is_samovar_stubgen(scene: Scene) -> None:
    (scene.directory / "half.py").write_text(HALF)
    env = {**os.environ, "PATH": f"{STUBGEN.parent}:{os.environ['PATH']}"}
    command = [SAMOVAR, "stubgen", "half:service", "--ts", "-", "--allow-any"]
    done = subprocess.run(command, cwd=scene.directory, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "export interface Half {" in done.stdout
    env["PATH"] = str(scene.directory)
    done = subprocess.run(command, cwd=scene.directory, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "samovar-stubgen is not on PATH: install the Python package samovar" in done.stderr
