"""A pool of tests/stubs/apps/atelier.py whose app a test may change, and what makes and calls its stubs."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from e2e.processes import BIN, ROOT, SAMOVAR, SAMOVAR_WORKER, Broker, Program, Scene

CALLER = BIN / "samovar-stub-caller"
APP = ROOT / "tests/stubs/apps/atelier.py"
STUBGEN = SAMOVAR_WORKER.parent / "samovar-stubgen"


def stubgen(cwd: Path, *arguments: Any, code: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [STUBGEN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


class Atelier:
    """A copy of the app, which a test may change, and its pool."""

    def __init__(self, scene: Scene, broker: Broker) -> None:
        self.app = Path(shutil.copy(APP, scene.directory))
        self.broker = broker
        arguments = [SAMOVAR_WORKER, "atelier:service", "--connect", broker.backend]
        self.pool: Program = scene.run(*arguments, name="samovar-worker")
        self.pool.wait_for_line(r"^samovar-worker: .* ready ")

    def change(self, old: str, new: str) -> None:
        """Changes the app, and loads it anew."""
        text = self.app.read_text()
        assert text.count(old) == 1
        self.app.write_text(text.replace(old, new))
        subprocess.run(
            [SAMOVAR, "--endpoint", self.broker.frontend, "reload", "atelier"],
            check=True,
            capture_output=True,
            timeout=60,
        )

    def call(self, *only: str) -> str:
        done = subprocess.run(
            [CALLER, self.broker.frontend, *only], capture_output=True, text=True, timeout=60
        )
        assert not done.stderr
        return done.stdout.strip()
