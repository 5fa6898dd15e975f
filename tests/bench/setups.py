"""What stands on the other side of the driver: one function for each setup."""

import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.stage import BIN, SERVERS, Failed, Process, Stage

PEER = BIN / "samovar-bench-peer"
PYTHON = Path(sys.executable)
CAP_S = 10


@dataclass
class Target:
    """Where the driver connects to, and whose CPU time it measures."""

    endpoint: str
    watch: dict[str, int] = field(default_factory=dict)


def _python(stage: Stage, script: str, *arguments: str) -> Process:
    return stage.start(script, [PYTHON, SERVERS / f"{script}.py", *arguments])


def _endpoints(stage: Stage, transport: str) -> tuple[str, str]:
    if transport == "ipc":
        return stage.ipc("front"), stage.ipc("back")
    return tuple(f"tcp://127.0.0.1:{stage.free_port()}" for _ in range(2))  # type: ignore[return-value]


def proxy(worker: str, transport: str = "ipc") -> Callable[[Stage], Target]:
    """zmq_proxy with one worker behind it: echo (C++), zmq_plain, zmq_tuned or zmq_echo (Python)."""

    def start(stage: Stage) -> Target:
        front, back = _endpoints(stage, transport)
        broker = stage.start("proxy", [PEER, "proxy", front, back])
        if worker == "echo":
            far = stage.start("echo", [PEER, "echo", back])
        elif worker == "zmq_echo":
            far = _python(stage, "zmq_plain", back, "--echo")
        else:
            far = _python(stage, worker, back)
        return Target(front, {"broker": broker.pid, "worker": far.pid})

    return start


def direct(worker: str) -> Callable[[Stage], Target]:
    """A bare pyzmq loop, no broker."""

    def start(stage: Stage) -> Target:
        endpoint = stage.ipc("worker")
        return Target(endpoint, {"worker": _python(stage, worker, endpoint, "--bind").pid})

    return start


def samovar(workers: int, transport: str = "ipc", http: bool = False) -> Callable[[Stage], Target]:
    """samovard with Python workers; 0: with the C++ null worker. With `http` others call it over HTTP meanwhile."""

    def start(stage: Stage) -> Target:
        front, back = _endpoints(stage, transport)
        command = [BIN / "samovard", "--frontend", front, "--backend", back]
        port = stage.free_port()
        command += ["--http", f"127.0.0.1:{port}"] if http else []
        broker = stage.start("samovard", command, "samovard: ready")
        watch = {"broker": broker.pid}
        if workers == 0:
            watch["worker"] = stage.start("null", [PEER, "null", back]).pid
            return Target(front, watch)
        command = [PYTHON.parent / "samovar-worker", "service:service", "--connect", back]
        pool = stage.start("samovar-worker", [*command, "--workers", workers], " ready ")
        children = pool.children()
        if len(children) < workers:
            raise Failed(f"samovar-worker has only {len(children)} children")
        if http:
            caller = [PYTHON, SERVERS / "http_caller.py", port, "bench.lookup"]
            stage.start("http_caller", caller, "http_caller ready")
        watch |= {f"worker{i or ''}": pid for i, pid in enumerate(children)}
        return Target(front, watch)

    return start


def nats(stage: Stage) -> Target:
    program = _installed("nats-server")
    port = stage.free_port()
    command = [program, "-a", "127.0.0.1", "-p", port]
    broker = stage.start("nats-server", command, "Server is ready")
    worker = _python(stage, "nats_responder", str(port))
    return Target(f"nats://127.0.0.1:{port}", {"broker": broker.pid, "worker": worker.pid})


def redis(mode: str) -> Callable[[Stage], Target]:
    """Redis lists; the worker takes one at a time (plain), or all that is there (batch)."""

    def start(stage: Stage) -> Target:
        path = stage.directory / "redis"
        options = ["--port", 0, "--unixsocket", path, "--save", "", "--appendonly", "no"]
        broker = stage.start("redis-server", [_installed("redis-server"), *options], None)
        end = time.monotonic() + CAP_S
        while not _answers(path):
            if time.monotonic() > end:
                raise Failed("redis-server did not get ready")
            time.sleep(0.01)
        worker = _python(stage, "redis_worker", str(path), mode)
        return Target(str(path), {"broker": broker.pid, "worker": worker.pid})

    return start


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        return True
    except OSError:
        return False


def grpc(mode: str) -> Callable[[Stage], Target]:
    """A gRPC server in Python, sync or aio; there is no broker."""

    def start(stage: Stage) -> Target:
        address = f"unix:{stage.directory}/grpc"
        return Target(address, {"worker": _python(stage, f"grpc_{mode}", address).pid})

    return start


def nothing(_stage: Stage) -> Target:
    """The driver starts what it needs."""
    return Target("")


def _installed(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Failed(f"{program} is not installed")
    return found
