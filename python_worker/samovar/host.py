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


def children() -> set[int]:
    """The pids of this process's children, zombies included."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def clock_name() -> str:
    """Names CLOCK_MONOTONIC of this boot (PROTOCOL.md 5.1); "" when the host does not say."""
    # utf-8, which is loaded already: each forked worker would have to import another codec.
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process for lack of memory, in this cgroup, or else on this host."""
    return _counted(_memory_events(), "oom_kill") or _counted("/proc/vmstat", "oom_kill")


def _memory_events() -> str:
    try:
        with open("/proc/self/cgroup", encoding="ascii") as file:
            for line in file:
                if line.startswith("0::"):
                    return f"/sys/fs/cgroup{line[3:].rstrip()}/memory.events"
    except OSError:
        pass
    return ""


def _counted(path: str, key: str) -> int:
    """The number behind `key` in a file of such lines; 0 if it is not there."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith(f"{key} "):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def watch_process(pid: int) -> int | None:
    """A descriptor that becomes readable when this process has ended; None: there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
