"""Which workers are to be replaced because of what they have done or hold, and what is reported of that.

Replaced, not killed: another one is ready before they stop. Only what uses twice its memory limit is killed.
"""

import logging
import os
import random
import signal

from samovar import memory
from samovar.board import REQUESTS
from samovar.slot import Slot, State

log = logging.getLogger("samovar")

_LOOK_S = 0.25
_LOOK_AT_CHILDREN_S = 1.0  # what is their own takes the kernel some ms for each 100 MB
_REPORT_S = 10.0
_STATUS_S = 30.0  # when only `samovar status` shows it
_JITTER = 0.1  # of the number of requests, so that workers that began together do not end together


class Recycling:
    """`now` is monotonic seconds. Limits that are None are not watched."""

    def __init__(self, max_requests: int | None, max_memory_kb: int | None, report: bool) -> None:
        self._max_requests = max_requests
        self._max_memory_kb = max_memory_kb
        self._report = report
        self._look_at = 0.0
        self._report_at = 0.0
        self._rng = random.Random()
        self._look_at_children_at = 0.0
        self._children_kb: dict[int, int] = {}  # by the worker's pid
        self._limits: dict[int, int] = {}  # requests, by pid

    def seconds_to_wait(self, now: float) -> float:
        times = []
        if self._max_requests is not None or self._max_memory_kb is not None:
            times.append(self._look_at - now)
        times.append(self._report_at - now)
        return max(0.0, min(times))

    def step(self, slots: list[Slot], now: float) -> None:
        """Marks those that are to be replaced."""
        watched = self._max_requests is not None or self._max_memory_kb is not None
        if watched and now >= self._look_at:
            self._look_at = now + _LOOK_S
            if self._max_memory_kb is not None and now >= self._look_at_children_at:
                self._look_at_children_at = now + _LOOK_AT_CHILDREN_S
                self._children_kb = {
                    slot.pid: _private_kb_of_descendants(slot.pid) for slot in slots
                }
            for slot in slots:
                if slot.state is State.READY or slot.state is State.DRAINING:
                    self._look(slot)
            alive = {slot.pid for slot in slots}
            self._limits = {pid: limit for pid, limit in self._limits.items() if pid in alive}
        due = now >= self._report_at
        if due:
            self._report_at = now + (_REPORT_S if self._report else _STATUS_S)
        for slot in slots:
            if slot.state in (State.READY, State.PARKED) and (due or not slot.memory):
                slot.memory = memory.shared_and_private(slot.pid)
                slot.memory["requests"] = slot.board.words[REQUESTS]
                self._log(slot)

    def _look(self, slot: Slot) -> None:
        before = slot.replace_because
        serves = before is None and slot.state is State.READY
        if self._max_requests is not None and serves:
            spread = 1 + _JITTER * self._rng.uniform(-1, 1)
            limit = self._limits.setdefault(slot.pid, max(1, round(self._max_requests * spread)))
            if slot.board.words[REQUESTS] >= limit:
                slot.replace_because = f"it has had {slot.board.words[REQUESTS]} requests"
        if self._max_memory_kb is not None:
            used = memory.resident_kb(slot.pid) + self._children_kb.get(slot.pid, 0)
            if used > self._max_memory_kb and serves:
                slot.replace_because = (
                    f"it uses {used // 1024} MiB, its limit is {self._max_memory_kb // 1024} MiB"
                )
            if used > 2 * self._max_memory_kb and slot.killed_because is None:
                slot.killed_because = f"it used {used // 1024} MiB, twice its limit"
                os.kill(slot.pid, signal.SIGKILL)
        if slot.replace_because != before:
            log.info("worker-%d is replaced: %s", slot.number + 1, slot.replace_because)

    def _log(self, slot: Slot) -> None:
        if self._report and "pss_kb" in slot.memory:
            shared, private = slot.memory["shared_kb"] / 1024, slot.memory["private_kb"] / 1024
            log.info(
                "memory of worker-%d: %.1f MiB shared, %.1f MiB its own",
                slot.number + 1,
                shared,
                private,
            )


def _private_kb_of_descendants(pid: int) -> int:
    """What is their own: forked ones share the rest with the worker."""
    return sum(
        memory.shared_and_private(child).get("private_kb", 0) for child in memory.descendants(pid)
    )
