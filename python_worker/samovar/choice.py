"""Which broker of a client gets the next call: how well each serves it, and whether it had better be left alone for a while.

A broker that failed (its connection broke, or a call's time was up without a word of it) gets no calls until it has answered
a ping, which it gets after a back-off. All times are seconds.
"""

import math
import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

EJECTED_S = 0.1  # how long one that failed is left alone; doubled each time that a ping fails
EJECTED_LONGEST_S = 10.0
PING_S = 1.0  # how long a ping may take
_WEIGHT = 0.05  # of the latest reply
_HALF_LIFE_S = 1.0  # of what is known about latency


class Health:
    """Of one broker. `jitter` arguments are from [0.5, 1), so that those who failed together do not come back together."""

    def __init__(self) -> None:
        self.trusted = True
        self.due = 0.0  # of one that is not trusted: when tick() has something to do
        self._failures = 0  # since it has answered last
        self._pinged = False
        self._latency = 0.0
        self._measured = 0.0

    def answered(self) -> None:
        """It has said something about a call."""
        self.trusted = True
        self._failures = 0
        self._pinged = False

    def took(self, seconds: float, now: float) -> None:
        """And that was a result, so long after the call was sent."""
        old = self._latency
        self._latency = seconds if old == 0 else old + (seconds - old) * _WEIGHT
        self._measured = now

    def failed(self, now: float, jitter: float) -> None:
        wait: float = min(EJECTED_S * 2 ** min(self._failures, 16), EJECTED_LONGEST_S)
        self.due = now + wait * jitter
        self.trusted = False
        self._failures += 1
        self._pinged = False

    def tick(self, now: float, jitter: float) -> bool:
        """What is due. True: it is to be pinged now."""
        if self._pinged:
            self.failed(now, jitter)
            return False
        self._pinged = True
        self.due = now + PING_S
        return True

    def latency(self, now: float) -> float:
        """Of its recent replies; an old figure counts less and less, so that one that was slow is tried again. 0: unknown."""
        return self._latency * math.pow(2, (self._measured - now) / _HALF_LIFE_S)


class Candidate(Protocol):
    health: Health

    @property
    def load(self) -> int:
        """Calls of this client that it holds."""


Choice = TypeVar("Choice", bound=Candidate)


def better(one: Candidate, other: Candidate, now: float) -> bool:
    """Whether one is a better choice than the other.

    Latencies count where one is twice the other: what lies within that is chance, and would make brokers of equal speed
    unequally busy.
    """
    latency, others = one.health.latency(now), other.health.latency(now)
    load, others_load = one.load + 1.0, other.load + 1.0
    if latency > 2 * others > 0:
        load *= latency / others
    if others > 2 * latency > 0:
        others_load *= others / latency
    return load < others_load


def choose(candidates: Sequence[Choice], now: float, chance: random.Random) -> Choice:
    """The better one of two that are chosen by chance; at least one is given.

    That comes close to the least loaded, and sends the lone calls of many clients, none of which holds any, to all alike.
    """
    if len(candidates) == 1:
        return candidates[0]
    one, other = chance.sample(candidates, 2)
    return other if better(other, one, now) else one


class Budget:
    """What keeps calls that are made again from multiplying the load: a share of the calls, saved up to a few."""

    SHARE = 0.1
    AT_START = 10.0  # a client that makes few calls may make each of them again
    SAVED = 100.0

    def __init__(self) -> None:
        self._tokens = self.AT_START

    def earn(self) -> None:
        self._tokens = min(self._tokens + self.SHARE, self.SAVED)

    def spend(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
