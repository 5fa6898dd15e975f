"""What samovard tells systemd, and the unit that deploy/ has for it."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.processes import ROOT, SAMOVARD, Scene, wait_until

UNIT = ROOT / "deploy" / "samovard.service"


@pytest.fixture
def manager(scene: Scene) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(scene.path("notify")))
        listening.settimeout(20)
        yield listening
    scene.path("notify").unlink()


def test_it_says_when_it_is_ready_that_it_lives_and_when_it_stops(
    scene: Scene, manager: socket.socket
) -> None:
    told = {"NOTIFY_SOCKET": scene.path("notify"), "WATCHDOG_USEC": 40_000}
    broker = scene.broker(prefix=["env", *(f"{key}={value}" for key, value in told.items())])
    assert manager.recv(100) == b"READY=1"
    for _ in range(3):
        assert manager.recv(100) == b"WATCHDOG=1"
    # A loop that stands still says nothing more.
    broker.signal(signal.SIGSTOP)
    manager.settimeout(0.2)
    with pytest.raises(TimeoutError):
        for _ in range(10):
            manager.recv(100)
    broker.signal(signal.SIGCONT)
    manager.settimeout(20)
    assert manager.recv(100) == b"WATCHDOG=1"
    broker.signal(signal.SIGTERM)
    while (said := manager.recv(100)) == b"WATCHDOG=1":
        pass
    assert said == b"STOPPING=1"
    assert broker.exit_code() == 0


def test_an_abstract_socket_will_do_and_one_where_nobody_listens_too(scene: Scene) -> None:
    name = f"samovar-test-{scene.directory.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(20)
        scene.broker(prefix=["env", f"NOTIFY_SOCKET=@{name}"])
        assert listening.recv(100) == b"READY=1"
    deaf = scene.broker(
        prefix=["env", f"NOTIFY_SOCKET=@{name}"], endpoints=(scene.ipc("f2"), scene.ipc("b2"))
    )
    assert deaf.client().ok("samovar.ping") == "pong"


def test_pools_do_not_speak_for_it(scene: Scene, manager: socket.socket) -> None:
    config = '[[service]]\nname = "printing"\nlines = "cat"\nworkers = 1\n'
    broker = scene.broker(config=config, prefix=["env", f"NOTIFY_SOCKET={scene.path('notify')}"])
    assert manager.recv(100) == b"READY=1"
    pools = wait_until(lambda: broker.status()["services"][0]["pools"], "there is no pool")
    environment = Path(f"/proc/{pools[0]['pid']}/environ").read_bytes()
    assert not any(entry.startswith(b"NOTIFY_SOCKET=") for entry in environment.split(b"\0"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_valid_and_hardened(scene: Scene) -> None:
    unit = scene.path("samovard.service")
    text = UNIT.read_text()
    unit.write_text(text.replace("/usr/bin/samovard", str(SAMOVARD)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert "samovard.service" not in verified.stderr
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert security.returncode == 0, security.stdout
