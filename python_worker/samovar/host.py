"""What this host and its kernel offer: process settings that Python's library lacks, the clock's name."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {value}): {os.strerror(error)}")


def become_subreaper() -> None:
    """Orphaned descendants become children of this process, which can then reap them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, sent: signal.Signals) -> bool:
    """Asks the kernel to send `sent` to this process when its parent, which shall be `parent`, dies.

    False when that parent is gone already: the signal will not come. (The kernel watches the parent's
    thread that created this process.)
    """
    _prctl(_PR_SET_PDEATHSIG, sent)
    return os.getppid() == parent


def keep_freed_memory() -> None:
    """What this process has freed stays with it, up to 64 MiB, so that large bodies do not cost page faults."""
    if hasattr(_libc, "mallopt"):  # glibc
        _libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        _libc.mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def clock_name() -> str:
    """Names CLOCK_MONOTONIC of this boot (PROTOCOL.md 5.1); "" when the host does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process of this host for lack of memory; 0 if it does not say."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0
