"""docs/from-scripts.md: its commands do what it says."""

import json
import re
import shlex
import subprocess

import pytest

from e2e.processes import ROOT, SAMOVAR, SAMOVAR_WORKER, Broker, Scene
from e2e.raw import CAP_S

PAGE = (ROOT / "docs/from-scripts.md").read_text()
FOLDER = ROOT / "examples/old_script"
# A worker's command, a call, and what that prints.
EXAMPLES = re.findall(
    r"^```\n\$ (samovar-worker .*)\n\$ (samovar call .*)\n(.*)\n```$", PAGE, re.MULTILINE
)


def run_call(scene: Scene, broker: Broker, command: str) -> object:
    done = subprocess.run(
        [str(SAMOVAR), *shlex.split(command)[1:]],
        env={**scene.env, "SAMOVAR_ENDPOINT": broker.frontend},
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("$ samovar-worker") == 5


@pytest.mark.parametrize(("worker", "call", "printed"), EXAMPLES)
def test_a_step_does_what_the_page_says(
    scene: Scene, broker: Broker, worker: str, call: str, printed: str
) -> None:
    arguments = shlex.split(worker.replace("tcp://127.0.0.1:7712", broker.backend))
    pool = scene.run(SAMOVAR_WORKER, *arguments[1:], cwd=FOLDER, name="samovar-worker")
    pool.wait_for_line(r"^samovar-worker: .* ready ")
    assert run_call(scene, broker, call) == json.loads(printed)


def test_all_three_steps_in_samovards_configuration(scene: Scene) -> None:
    config = (FOLDER / "samovard.toml").read_text()
    shown = re.findall(r"^(\w+ = .*?)(?:\s+#.*)?$", PAGE.rpartition("```toml")[2], re.MULTILINE)
    assert re.findall(r"^\w+ = .*$", config, re.MULTILINE) == shown, "the page shows another file"
    broker = scene.broker(
        config=re.sub(r"(?m)^(name = .*)$", rf'\1\ndirectory = "{FOLDER}"', config)
    )
    expected = {"code": "CN", "name": "China"}
    client = broker.client()
    assert client.ok("step1.line", "1.0.1.0") == expected
    assert client.ok("step2.get", "1.0.1.0") == expected
    assert client.ok("step3.get", "1.0.1.0") == expected
    assert client.ok("step3.get_many", ["1.0.1.0", "127.0.0.1"])[1] == {"code": None, "name": None}
