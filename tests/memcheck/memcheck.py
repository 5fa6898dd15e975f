"""samovard and samovar under valgrind's memcheck, with a real worker: calls, a worker that is killed in mid-call, a
stop. Fails on an error and on memory that nothing points to any more. Nothing is suppressed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import zmq

from e2e.processes import SAMOVAR, SAMOVARD, Broker, Scene

VALGRIND = [
    "valgrind",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--show-leak-kinds=definite",
]


def samovar(scene: Scene, broker: Broker, *arguments: Any) -> "subprocess.CompletedProcess[str]":
    command = [*VALGRIND, SAMOVAR, "--endpoint", broker.frontend, *arguments]
    ran = subprocess.run(
        [str(each) for each in command],
        env=scene.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode != 99, ran.stderr
    return ran


def run(scene: Scene) -> int:
    log = scene.path("samovard.log")
    endpoints = ["--frontend", scene.ipc("front"), "--backend", scene.ipc("back")]
    arguments = [*VALGRIND, SAMOVARD, *endpoints]
    broker = Broker(scene.context, "samovard", arguments, log, scene.env, scene.directory)
    scene.programs.append(broker)
    broker.wait_until_ready()
    pool = scene.pool(broker.backend)
    client = broker.client()
    for number in range(200):
        assert client.ok("kitchen.add", number, 1) == number + 1
    pid = client.ok("kitchen.pid")
    call = client.begin("kitchen.last_words", str(scene.path("never")))
    scene.wait_for_note("spoken")
    os.kill(pid, signal.SIGKILL)
    assert client.finish(call).word == "worker_lost"
    broker.wait_for_workers("kitchen", 1)
    client.close()
    assert samovar(scene, broker, "call", "kitchen.add", 1, 2).stdout == "3\n"
    assert samovar(scene, broker, "call", "kitchen.nothing").returncode not in (0, 99)
    assert samovar(scene, broker, "status").returncode == 0
    broker.forget()
    assert pool.stop()
    broker.signal(signal.SIGTERM)
    assert broker.exit_code(60) == 0, broker.log()
    summary = broker.lines("ERROR SUMMARY")[-1].partition("ERROR")[2]
    print(f"memcheck: samovard and samovar, 200 calls, a killed worker, a stop: ERROR{summary}")
    return 0


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix="samovar-memcheck-"))
    context: zmq.Context[Any] = zmq.Context()
    scene = Scene(directory, context)
    try:
        return run(scene)
    finally:
        context.destroy(linger=0)
        scene.end()
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
