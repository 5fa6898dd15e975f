"""Reaps a supervisor's children: those that it knows, and strangers whom dead workers left behind."""

import os
import signal
from collections.abc import Collection


class Reaper:
    """Gives each child's wait status once. What the workers leave behind is ended, for it is ours then."""

    def __init__(self) -> None:
        # Of processes that nobody knew yet: the zygote had not said which worker it had forked.
        self._early: dict[int, int] = {}
        self.sweep = False  # somebody has died who may have left processes behind

    def reap(self, known: Collection[int], forking: bool) -> list[tuple[int, int]]:
        """(pid, wait status) of those of `known` that have ended, with their process groups.

        `forking`: a pid is awaited, so that a child that nobody knows may be a worker.
        """
        found = []
        for pid in [pid for pid in self._early if pid in known]:
            found.append((pid, self._early.pop(pid)))
        if not forking:
            self._early.clear()
        while True:
            try:
                # Not reaped yet: while it is a zombie nobody else gets its number, so its group is its own.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            self.sweep = True
            pid = ended.si_pid
            if pid in known:
                kill_group(pid)
            status = os.waitpid(pid, 0)[1]
            if pid in known:
                found.append((pid, status))
            elif forking:
                self._early[pid] = status
        return found

    def end_strays(self, children: Collection[int], known: Collection[int]) -> None:
        """Kills those of `children` that are not known."""
        strays = set(children) - set(known)
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        self.sweep = bool(strays)  # as these die, more may become ours


def kill_group(pid: int) -> None:
    """Kills a process and the children that it has left in its process group."""
    signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(pid, number)  # before its setsid(), or with no group left
        except ProcessLookupError:
            pass
