"""What the tests' workers serve: handlers that behave, and handlers that do everything else."""

import ctypes
import datetime
import os
import signal
import sys
import time
import warnings
from typing import Any

import samovar

service = samovar.Service("desk")
shared = {"count": 0}


@service.method(idempotent=True)
def echo(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs] if kwargs or len(args) != 1 else args[0]


@service.method
def add(left: int, right: int = 1) -> int:
    return left + right


@service.method
def pid() -> int:
    return os.getpid()


@service.method
def fail(text: str) -> None:
    raise ValueError(text)


@service.method
def type_error_inside(value: str) -> int:
    return int([value])  # type: ignore[call-overload]


@service.method
def leave(how: str) -> None:
    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt()}[how]


@service.method
def unsendable() -> dict[str, set[int]]:
    return {"x": {1}}


@service.method
def naive() -> datetime.datetime:
    return datetime.datetime(2024, 1, 1)


@service.method
def count() -> dict[str, int]:
    shared["count"] += 1
    return shared


@service.method
def size(data: bytes) -> int:
    return len(data)


@service.method
def zeros(size: int) -> bytes:
    return bytes(size)


@service.method
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@service.method
def wait_for_file(path: str, noted: str = "") -> str:
    """Returns when the file is there; first makes the file `noted`, if it is asked to."""
    if noted:
        open(noted, "x").close()
    while not os.path.exists(path):
        time.sleep(0.005)
    return path


@service.method
def noisy() -> str:
    print("from print")
    sys.stderr.write("from stderr\n")
    os.write(1, b"from descriptor 1\n")
    os.write(2, b"x" * 10_000 + b"\n")
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    warnings.warn("from warnings")
    return "quiet"


@service.method
def die(how: str = "kill") -> None:
    sys.stderr.write("last words\n")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "segv":
        ctypes.string_at(0)
    else:
        os._exit(7)


@service.method
def fork_and_hang() -> int:
    """Leaves a child behind that keeps all descriptors, and runs on."""
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(60)
    return child


@service.method
def fork_and_return() -> str:
    """What nobody should do: the child returns from the handler, too."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"


@service.method
def fork_and_terminate() -> int:
    """A child that SIGTERM must end, as multiprocessing expects."""
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(60)
    os.kill(child, signal.SIGTERM)
    return os.waitpid(child, 0)[1]


@service.method
def attach() -> samovar.WithAttachments:
    buffers = samovar.attachments()
    return samovar.WithAttachments([len(buffer) for buffer in buffers], buffers[::-1])


@service.method
def import_path() -> list[str]:
    return [sys.path[0], os.getcwd(), os.environ.get("SAMOVAR_WORKER", "(unset)")]


not_a_service = {"a": 1}
empty = samovar.Service("empty")
