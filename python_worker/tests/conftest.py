"""Fixtures: a fake broker on a temporary endpoint, and samovar-worker as a real process."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crew import Crew
from fake_broker import CAP_S, FakeBroker
from hypothesis import settings

# No deadline: the machine may be busy. The failing example can be repeated from what is printed.
settings.register_profile("samovar", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("samovar")

APPS = Path(__file__).parent / "apps"


class Pool:
    """A running samovar-worker, its working directory tests/apps."""

    def __init__(
        self, endpoint: str, target: str, *options: str, module: str = "samovar.cli", **env: str
    ) -> None:
        self.mark = f"SAMOVAR_TEST={uuid.uuid4()}"
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                module,
                target,
                "--connect",
                endpoint,
                *options,
            ],
            cwd=APPS,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", name: value, **env},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.output = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def read_until(self, text: str) -> str:
        """Waits for `text` in what it writes to stderr; returns all of that so far."""
        end = time.monotonic() + CAP_S
        while text.encode() not in self.output:
            left = end - time.monotonic()
            assert left > 0, f"waited in vain for {text!r} in:\n{self.output.decode()}"
            if self._read(left):
                continue
            assert text.encode() in self.output, f"no {text!r} in:\n{self.output.decode()}"
        return self.output.decode()

    def _read(self, seconds: float) -> bool:
        """Reads what is there, waiting so long for it; False at the end of the stream."""
        assert self.process.stderr is not None
        fd = self.process.stderr.fileno()
        if not select.select([fd], [], [], seconds)[0]:
            return True
        data = os.read(fd, 65536)
        self.output += data
        return bool(data)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Waits for its end, while the brokers go on."""
        end = time.monotonic() + CAP_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"did not end; wrote:\n{self.output.decode()}"
            for broker in FakeBroker.live:
                broker.pump(0.01)
            self._read(0.01)
        while self._read(CAP_S):
            pass
        return self.process.returncode

    def processes(self) -> list[int]:
        """All that descends from it, itself included, and still runs."""
        found = []
        for directory in Path("/proc").iterdir():
            try:
                if self.mark.encode() not in (directory / "environ").read_bytes():
                    continue
                if (directory / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(directory.name))
            except (OSError, ValueError):
                continue
        return found

    def wait_for_processes(self, condition: Callable[[list[int]], bool], what: str) -> None:
        end = time.monotonic() + CAP_S
        while not condition(found := self.processes()):
            assert time.monotonic() < end, f"{what}: {found}"
            time.sleep(0.01)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    directory = tempfile.mkdtemp(prefix="samovar-test-")
    yield f"ipc://{directory}/backend"
    shutil.rmtree(directory)


@pytest.fixture
def broker(endpoint: str) -> Iterator[FakeBroker]:
    fake = FakeBroker(endpoint)
    yield fake
    fake.close()


@pytest.fixture
def start(endpoint: str) -> Iterator[Callable[..., Pool]]:
    """Starts samovar-worker with a target and options. Whatever is left at the end is a failure."""
    pools: list[Pool] = []

    def start_pool(
        target: str = "desk:service", *options: str, connect: str = endpoint, **env: str
    ) -> Pool:
        pools.append(Pool(connect, target, *options, **env))
        return pools[-1]

    yield start_pool
    for pool in pools:
        try:
            if pool.process.poll() is None:
                pool.signal(signal.SIGTERM)
                pool.exit_code()
            pool.wait_for_processes(lambda found: not found, "processes were left behind")
        finally:
            pool.end()


@pytest.fixture
def crew(broker, start, tmp_path):
    broker.max_body = 200 << 20
    ledger = tmp_path / "ledger"
    pool = start("crew:service", CREW_LEDGER=str(ledger))
    return Crew(broker, ledger, pool)
