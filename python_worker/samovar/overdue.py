"""Ends workers whose request runs beyond its hard limit: a sign, a look at where it is, a kill. No I/O but signals.

The limit is that of the method, which the worker writes to the board when such a request begins, or else the
pool's. First the request's id goes to the board, where ctx.cancelled sees it; then the worker is asked for
its stack by a signal that works in C code, too; then it is killed with its process group. The signal may end a system
call early and so make the handler return something wrong: from then on the worker sends nothing.
"""

import logging
import os
from typing import NamedTuple

from samovar.board import (
    CANCEL_ID,
    CHECKING_NS,
    DOOMED,
    DUE_ID,
    HARD_MS,
    LAST_STARTED,
    STARTED_NS,
    Words,
)
from samovar.slot import Ending, Slot
from samovar.worker_main import STACK_SIGNAL

log = logging.getLogger("samovar")

# From the sign to the look, and from there to the kill.
_SIGN_S = 0.05
_LOOK_S = 0.02


class _Due(NamedTuple):
    """When what runs has run too long: monotonic seconds."""

    at: float
    limit: float
    session: Words | None  # None: it is the health check


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
        return now + (self._shortest or 3600) if due is None else due.at

    def _due(self, slot: Slot) -> _Due | None:
        """Of what is due first; None: nothing runs that has a limit."""
        found = [due for each in slot.board.sessions if (due := self._due_in(each))]
        checking_ns = slot.board.words[CHECKING_NS]
        if checking_ns and self._limit is not None:
            found.append(_Due(checking_ns / 1e9 + self._limit, self._limit, None))
        return min(found, key=lambda each: each.at) if found else None

    def _due_in(self, session: Words) -> _Due | None:
        started_ns = session[STARTED_NS]
        hard_ms = session[HARD_MS]
        limit = hard_ms / 1000 if hard_ms else self._limit
        if not started_ns or limit is None:
            return None
        return _Due(started_ns / 1e9 + limit, limit, session)

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
        if due is None or now < due.at:
            return
        if due.session is None:
            because = f"its health check ran longer than --hard-timeout {due.limit:g} s"
        else:
            request = due.session[DUE_ID] or due.session[LAST_STARTED]
            due.session[CANCEL_ID] = request
            whose = "its method's hard_timeout of" if due.session[HARD_MS] else "--hard-timeout"
            because = f"request {request} ran longer than {whose} {due.limit:g} s"
        slot.ending = Ending(because, stack_at=now + _SIGN_S)

    def _ask(self, slot: Slot, ending: Ending, now: float) -> None:
        due = self._due(slot)
        if due is None or now < due.at:  # it has heard, and ended the request
            slot.ending = None
            for session in slot.board.sessions:
                session[CANCEL_ID] = 0
        elif now >= ending.stack_at:
            slot.board.words[DOOMED] = 1
            os.kill(slot.pid, STACK_SIGNAL)
            ending.kill_at = now + _LOOK_S
