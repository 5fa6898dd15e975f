"""Ends workers whose request runs beyond its hard limit: a sign, a look at where it is, a kill. No I/O but signals.

The limit is that of the method, which the worker writes to the board when such a request begins, or else the
pool's. First the request's id goes to the board, where ctx.cancelled sees it; then the worker is asked for
its stack by a signal that works in C code, too; then it is killed with its process group. The signal may end a system
call early and so make the handler return something wrong: from then on the worker sends nothing.
"""

import logging
import os

from samovar.board import CANCEL_ID, DOOMED, DUE_ID, HARD_MS, LAST_STARTED, STARTED_NS
from samovar.slot import Ending, Slot
from samovar.worker_main import STACK_SIGNAL

log = logging.getLogger("samovar")

# From the sign to the look, and from there to the kill.
_SIGN_S = 0.05
_LOOK_S = 0.02


class Overdue:
    """Watches the boards of a pool. `now` is monotonic seconds. `limit` None: only methods have limits."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._shortest = limit  # of the pool's and all methods': so often the boards are looked at

    def has_method_limit(self, seconds: float) -> None:
        """A worker's service has a method with this limit."""
        self._shortest = min(seconds, self._shortest or seconds)

    def seconds_to_wait(self, slots: list[Slot], now: float) -> float | None:
        """How long the owner may sleep before it must call step()."""
        if self._shortest is None:
            return None
        return max(0.0, min((self._next(slot, now) for slot in slots), default=now + 3600) - now)

    def _next(self, slot: Slot, now: float) -> float:
        ending = slot.ending
        if ending is not None:
            return ending.kill_at or ending.stack_at
        if slot.killed_because is not None:
            return now + 3600
        due = self._due(slot)
        # What begins after this look is not due before the shortest limit.
        return now + (self._shortest or 3600) if due is None else due[0]

    def _due(self, slot: Slot) -> tuple[float, float] | None:
        """When the running request has run too long, and its limit; None: nothing runs that has one."""
        words = slot.board.words
        started_ns = words[STARTED_NS]
        hard_ms = words[HARD_MS]
        limit = hard_ms / 1000 if hard_ms else self._limit
        if not started_ns or limit is None:
            return None
        return started_ns / 1e9 + limit, limit

    def step(self, slots: list[Slot], now: float) -> list[Slot]:
        """Does what is due, and returns the workers that are to be killed now."""
        kill = []
        for slot in slots:
            if slot.killed_because is not None or not slot.pid:
                continue
            if slot.ending is None:
                self._look(slot, now)
            elif slot.ending.kill_at is None:
                self._ask(slot, slot.ending, now)
            elif now >= slot.ending.kill_at:
                kill.append(slot)
        return kill

    def _look(self, slot: Slot, now: float) -> None:
        due = self._due(slot)
        if due is None or now < due[0]:
            return
        words = slot.board.words
        request = words[DUE_ID] or words[LAST_STARTED]
        words[CANCEL_ID] = request
        whose = "its method's hard_timeout of" if words[HARD_MS] else "--hard-timeout"
        because = f"request {request} ran longer than {whose} {due[1]:g} s"
        slot.ending = Ending(because, stack_at=now + _SIGN_S)

    def _ask(self, slot: Slot, ending: Ending, now: float) -> None:
        due = self._due(slot)
        if due is None or now < due[0]:  # it has heard, and ended the request
            slot.ending = None
            slot.board.words[CANCEL_ID] = 0
        elif now >= ending.stack_at:
            slot.board.words[DOOMED] = 1
            os.kill(slot.pid, STACK_SIGNAL)
            ending.kill_at = now + _LOOK_S
