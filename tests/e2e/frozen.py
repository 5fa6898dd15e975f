"""A fault: one thread of a program stands still while its others go on, as when samovard's loop hangs."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_ANY_CHILD = 0x40000000  # __WALL
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace of {thread}: {os.strerror(number)}")


@contextmanager
def frozen(thread: int) -> Iterator[None]:
    """A pid is its main thread: that of samovard is its loop. To be entered and left by the same thread."""
    _ptrace(_SEIZE, thread)
    try:
        _ptrace(_INTERRUPT, thread)
        os.waitpid(thread, _ANY_CHILD)
        yield
    finally:
        _ptrace(_DETACH, thread)
