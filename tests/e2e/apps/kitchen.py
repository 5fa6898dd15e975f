"""What the end-to-end tests call: handlers that behave, and handlers that do everything else.

Notes go to the file $SAMOVAR_LEDGER, one line each: what a test wants to know although no reply says it.
"""

import ctypes
import os
import signal
import sys
import time
import warnings
from typing import Any

import samovar

service = samovar.Service("kitchen")
_served = 0
_libc_with_gil = ctypes.PyDLL(None)  # calls into it hold the GIL

print("the kitchen is open", flush=True)


def note(text: str) -> None:
    ledger = os.open(os.environ["SAMOVAR_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, f"{text}\n".encode())
    os.close(ledger)


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.005)


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
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@service.method
def record(text: str) -> str:
    note(text)
    return text


@service.method
def tick() -> int:
    """How many ticks this worker has answered."""
    global _served
    _served += 1
    return _served


@service.method
def hold(text: str, gate: str) -> str:
    """Notes the text, and returns when the file `gate` is there."""
    note(text)
    wait_for(gate)
    return text


@service.method(timeout=0.3)
def hold_briefly(text: str, gate: str) -> str:
    return hold(text, gate)


@service.method(idempotent=True)
def hold_idempotent(text: str, gate: str) -> str:
    return hold(text, gate)


@service.method
def hold_the_gil(seconds: float) -> float:
    """Nothing else of this process's Python runs for so long."""
    note("holding")
    _libc_with_gil.usleep(int(seconds * 1e6))
    return seconds


@service.method
def noisy() -> str:
    print("from print")
    print("a long line" * 10_000)
    sys.stderr.write("from stderr\n")
    os.write(1, b"from descriptor 1\n")
    os.write(1, b"\x93\x01\x03\x00 not a reply")
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    warnings.warn("from warnings")
    return "quiet"


@service.method
def fail(text: str) -> None:
    raise ValueError(text)


@service.method
def leave() -> None:
    sys.exit(3)


@service.method
def some_set() -> dict[str, set[int]]:
    return {"numbers": {1, 2}}


@service.method
def zeros(size: int) -> bytes:
    return bytes(size)


@service.method
def length(data: bytes) -> int:
    return len(data)


@service.method
def mirror() -> samovar.WithAttachments:
    """Sends the attachments back, the last one first."""
    buffers = samovar.attachments()
    return samovar.WithAttachments([len(buffer) for buffer in buffers], buffers[::-1])


@service.method
def last_words(gate: str) -> None:
    """Says something on stderr, then waits to be killed."""
    for number in range(30):
        sys.stderr.write(f"word {number}\n")
    hold("spoken", gate)


@service.method
def die(how: str) -> None:
    sys.stderr.write("last words\n")
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), getattr(signal, how))


@service.method
def fork_and_hold(gate: str) -> None:
    """Forks a child that leaves the process group and keeps every descriptor open; then waits."""
    child = os.fork()
    if child == 0:
        os.setsid()
        note(f"child {os.getpid()}")
        while True:
            time.sleep(60)
    hold("forked", gate)
