"""samovar top: one plain frame without a terminal, and a screen on one, a pseudo-terminal here."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.frozen import frozen
from e2e.processes import SAMOVAR, Broker, Program, Scene, wait_until
from e2e.raw import CAP_S, Client

LEAVES_THE_SCREEN = "\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, scene: Scene, *command: Any) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(100, 30)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *(str(each) for each in command)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**scene.env, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        )
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def read(self) -> str:
        """What it has written since the last time, without waiting."""
        new = ""
        while select.select([self.master], [], [], 0)[0]:
            new += os.read(self.master, 65536).decode(errors="replace")
        self.text += new
        return new

    def wait_for(self, pattern: str) -> None:
        def is_there() -> bool:
            self.read()
            return re.search(pattern, self.text) is not None

        wait_until(is_there, f"{pattern!r} was never drawn")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Its exit code. The terminal has to be as it was before."""
        end = time.monotonic() + CAP_S
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < end, "it did not end"
            time.sleep(0.005)
        self.read()
        assert LEAVES_THE_SCREEN in self.text
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode


@contextmanager
def top(scene: Scene, broker: Broker) -> Iterator[Terminal]:
    terminal = Terminal(scene, SAMOVAR, "--endpoint", broker.frontend, "top")
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


def test_without_a_terminal_it_prints_one_frame(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    client.ok("kitchen.add", 1)
    held = client.begin("kitchen.hold", "held", str(scene.path("gate")))
    scene.wait_for_note("held")
    for once in ([], ["--once"]):
        done = scene.samovar(broker, "top", *once)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout and "calls/s  0 ok" in done.stdout
        assert re.search(r"^kitchen +ready +0 +0 +0 +1 .* 1 of 1 +0$", done.stdout, re.MULTILINE)
        assert re.search(
            r"^kitchen/worker-1 .*ready +kitchen.hold +\d.* 1 +256$", done.stdout, re.MULTILINE
        )
    scene.path("gate").touch()
    client.finish(held)


def test_without_a_broker_it_says_so_and_ends(scene: Scene, broker: Broker) -> None:
    broker.kill()
    done = scene.samovar(broker, "--timeout", "200ms", "top")
    assert done.returncode != 0 and done.stderr.startswith("unavailable: ")
    done = scene.samovar(broker, "--json", "top")
    assert done.returncode == 2 and "samovar status --json" in done.stderr


@pytest.mark.parametrize("how", ["q", "\x03", "SIGTERM"])
def test_on_a_terminal_it_follows_and_leaves_the_terminal_clean(
    scene: Scene, broker: Broker, pool: Program, client: Client, how: str
) -> None:
    with top(scene, broker) as terminal:
        terminal.wait_for("kitchen/worker-1")
        held = client.begin("kitchen.hold", "held", str(scene.path("gate")))
        terminal.wait_for("kitchen.hold")
        scene.path("gate").touch()
        client.finish(held)
        if how == "SIGTERM":
            terminal.process.send_signal(signal.SIGTERM)
        else:
            terminal.type(how)
        assert terminal.end() == 0


def test_it_follows_the_size_of_its_window(scene: Scene, broker: Broker, pool: Program) -> None:
    with top(scene, broker) as terminal:
        terminal.wait_for("kitchen/worker-1")
        terminal.resize(40, 5)
        terminal.wait_for("too small")
        terminal.text = ""
        terminal.resize(120, 40)
        terminal.wait_for("kitchen/worker-1")
        terminal.type("q")
        assert terminal.end() == 0


def test_it_says_that_the_broker_does_not_answer_and_goes_on_when_it_does(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    with top(scene, broker) as terminal:
        terminal.wait_for("kitchen/worker-1")
        with frozen(broker.pid):
            terminal.wait_for("deadline_exceeded: ")
        held = broker.client().begin("kitchen.hold", "held", str(scene.path("gate")))
        terminal.wait_for("kitchen.hold")
        assert held and scene.path("gate").touch() is None
        terminal.text = ""
        terminal.resize(120, 40)  # all is drawn again
        terminal.wait_for("serving")
        assert "deadline_exceeded" not in terminal.text
        terminal.type("q")
        assert terminal.end() == 0
