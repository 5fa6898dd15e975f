"""samovar-worker --ready-file: there while the pool serves."""

import os
import signal
from pathlib import Path

from e2e.processes import Broker, Scene, wait_until


def is_new(file: Path) -> bool:
    try:
        return file.read_text() == ""
    except FileNotFoundError:
        return False


def test_it_is_there_while_a_worker_is_ready_and_the_broker_has_it(
    scene: Scene, broker: Broker
) -> None:
    file = scene.path("ready")
    file.touch()  # of an earlier pool
    ends = (broker.frontend, broker.backend)
    broker.kill()
    pool = scene.pool(ends[1], "kitchen:service", 1, "--ready-file", file, wait=False)
    wait_until(lambda: not file.exists(), "what an earlier pool has left is still there")
    pool.wait_for_line("no broker answers")
    assert not file.exists()
    broker.forget()
    broker = scene.broker(endpoints=ends)
    wait_until(file.exists, "it never came")
    (worker,) = broker.wait_for_workers("kitchen", 1)
    with file.open("w") as mark:
        mark.write("before the death")
    os.kill(worker["pid"], signal.SIGKILL)
    wait_until(lambda: is_new(file), "it outlived the only worker")
    broker.kill()
    wait_until(lambda: not file.exists(), "it is there without a broker")
    broker = scene.broker(endpoints=ends)
    wait_until(file.exists, "it does not come again")
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert not file.exists()


def test_where_there_can_be_no_file_is_told_at_once(scene: Scene) -> None:
    pool = scene.pool(
        scene.ipc("back"), "kitchen:service", 1, "--ready-file", "/no/where", wait=False
    )
    assert pool.exit_code() == 2
    assert "--ready-file: " in pool.log() and "/no/where" in pool.log()
