"""Faults beside dying processes: peers that are slow to write, a log that cannot be written, a wall clock that is set back.

Clients that do not read are in test_limits.py, everything at the same time is in tests/chaos.
"""

import datetime
import os
import re
import select
import time
from pathlib import Path

import pytest

from e2e.processes import APPS, SAMOVARD, Broker, Scene, wait_until
from e2e.raw import Client, words
from e2e.zmtp import GREETING, is_closed, ready, tcp_connection

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def test_a_peer_that_sends_a_byte_a_second_before_its_hello_is_cut_off(scene: Scene) -> None:
    broker = scene.broker(transport="tcp")
    client = broker.client()
    begun = time.monotonic()
    with tcp_connection(broker.frontend) as slow:
        for byte in GREETING + ready():
            slow.send(bytes([byte]))
            asked = time.monotonic()
            assert client.ok("samovar.ping") == "pong"
            assert time.monotonic() < asked + 1
            readable, _, _ = select.select([slow], [], [], 1.0)
            if readable and is_closed(slow):
                break
            assert time.monotonic() < begun + 20, "it was not cut off"


def test_a_peer_that_sends_a_message_byte_by_byte_holds_up_nobody(scene: Scene) -> None:
    broker = scene.broker(transport="tcp")
    scene.pool(broker.backend)
    client = broker.client()
    with tcp_connection(broker.frontend) as slow:
        slow.sendall(GREETING + ready())
        for byte in b"\x00\x80" + b"\x94" * 50:  # the begin of a message of 128 bytes
            slow.send(bytes([byte]))
            assert words(client.finish_all(client.begin_many("kitchen.echo", 20, 1))) == {"ok"}
    assert broker.counter("protocol_errors") == 0


def test_a_log_on_a_full_disk_stops_neither_the_broker_nor_its_pool(scene: Scene) -> None:
    config = scene.config(
        f'[[service]]\nname = "kitchen"\napp = "kitchen:service"\ndirectory = "{APPS}"\n'
    )
    front, back = scene.ipc("front"), scene.ipc("back")
    command = f'exec "$0" --frontend {front} --backend {back} --config {config} >/dev/full 2>&1'
    broker = scene.run("sh", "-c", command, SAMOVARD, name="samovard")
    client = Client(scene.context, front)
    victim = client.ok("kitchen.pid")
    hostile = Client(scene.context, front)
    for _ in range(100):
        hostile.send_frames(b"")
    client.call("kitchen.die", "SIGSEGV")
    assert client.ok("kitchen.pid") != victim
    assert words(client.finish_all(client.begin_many("kitchen.echo", 1000, 1))) == {"ok"}
    assert client.ok("samovar.status")["counters"]["protocol_errors"] == 100
    assert broker.is_running()


@pytest.fixture
def set_clock(scene: Scene):  # type: ignore[no-untyped-def]
    """Sets the wall clock of what the scene starts from now on, as seconds beside the machine's."""
    assert FAKETIME is not None, "libfaketime is missing: script/bootstrap"
    clock = scene.path("clock")

    def set_to(seconds: int) -> None:
        new = scene.path("clock.new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, clock)

    set_to(0)
    scene.env |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return set_to


def latest_log_time(broker: Broker) -> datetime.datetime:
    times = re.findall(
        r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+ samovard", broker.log(), re.MULTILINE
    )
    return datetime.datetime.strptime(times[-1], "%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_deadlines_and_pools_do_not_notice_that_the_wall_clock_is_set(
    scene: Scene,
    set_clock,
    seconds: int,  # type: ignore[no-untyped-def]
) -> None:
    broker = scene.broker()
    scene.pool(broker.backend, "kitchen:service", 1, "--hard-timeout", "5")
    client = broker.client()
    pid = client.ok("kitchen.pid")
    # No time.sleep(): libfaketime 0.9.10 makes it fail when the clock was set.
    held = client.begin("kitchen.hold_the_gil", 1.5, timeout=0.7)
    queued = client.begin("kitchen.echo", 1, timeout=60)
    scene.wait_for_note("holding")
    set_clock(seconds)
    begun = time.monotonic()
    outcome = client.finish(held)
    assert (outcome.word, outcome.value["where"]) == ("deadline_exceeded", "running")
    assert time.monotonic() - begun < 1.3
    assert client.finish(queued).word == "ok"
    assert client.ok("kitchen.pid") == pid, "its worker was taken for one that hangs"
    assert words(client.finish_all(client.begin_many("kitchen.echo", 1000, 1))) == {"ok"}
    # It was set indeed.
    client.call("kitchen.die", "exit")
    wait_until(lambda: broker.lines("is gone"), "the log says nothing of the worker")
    off = (latest_log_time(broker) - datetime.datetime.now()).total_seconds()
    assert abs(off - seconds) < 60
    assert client.ok("kitchen.echo", 1) == 1
