"""A service with every hook. What it does, beside serving, depends on the files in $BREWERY, its directory."""

import ctypes
import os
import threading
from pathlib import Path

import samovar
from e2e_notes import note

service = samovar.Service("brewery")
directory = Path(os.environ["BREWERY"])
hoard: list[bytes] = []


def setting(name: str, otherwise: str = "") -> str:
    path = directory / name
    return path.read_text() if path.exists() else otherwise


if setting("at_import") == "abort":
    os.abort()
if setting("at_import") == "thread":
    threading.Thread(target=threading.Event().wait, name="brewer", daemon=True).start()
if setting("at_import") == "native thread":
    libc = ctypes.CDLL(None)
    libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None)


@service.load
def load() -> str:
    note("load")
    return setting("leaves", "black")


@service.warm_up
def warm_up() -> None:
    note("warm_up")
    assert service.state != "mouldy", "mouldy leaves"


@service.on_worker_start
def on_worker_start() -> None:
    note("on_worker_start")
    assert setting("at_start") != "fail", "no fire"


@service.on_stop
def on_stop() -> None:
    note("on_stop")


@service.health_check
def health_check() -> bool:
    return setting("ill") != str(os.getpid())


@service.method(idempotent=True)
def leaves() -> str:
    return str(service.state)


@service.method
def pid() -> int:
    return os.getpid()


@service.method
def parent() -> int:
    return os.getppid()


@service.method
def keep(mib: int) -> int:
    """Uses so much more memory from now on."""
    hoard.append(b"\1" * (mib << 20))
    return os.getpid()


@service.method
def pour(mib: int) -> None:
    """Writes so much to stdout, in lines."""
    line = b"tea " * 25 + b"\n"
    chunk = line * ((1 << 20) // len(line))
    for _ in range(mib):
        os.write(1, chunk)


@service.method
def boil() -> None:
    """Hangs, with a child in its process group and another one that has left it."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.setsid()
        threading.Event().wait()
    note(f"boils {os.getpid()}")
    threading.Event().wait()
