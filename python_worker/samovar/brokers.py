"""All brokers of a client: where the next call goes, and why it goes nowhere."""

import random
from collections.abc import Iterator

from samovar import wire
from samovar.broker import Broker
from samovar.choice import choose

# Of several brokers each gets its share of the calls that wait, but no smaller bundles than this.
_LEAST_SHARE = 8


class Brokers:
    """`seed`: of chance; without it, another one each time."""

    def __init__(self, seed: int | None = None) -> None:
        self._all: list[Broker] = []
        self._chance = random.Random(seed)

    def __iter__(self) -> Iterator[Broker]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, endpoint: str) -> Broker:
        """There may be several of one endpoint."""
        broker = Broker(endpoint)
        self._all.append(broker)
        return broker

    def remove(self, broker: Broker) -> None:
        """One that is over."""
        self._all.remove(broker)

    def are_several(self) -> bool:
        """Whether a call has a choice, now or later."""
        return len(self._all) > 1 and sum(not broker.retiring for broker in self._all) > 1

    def choose(self, now: float, tried: frozenset[Broker]) -> Broker | None:
        """Of those that are trusted, or else of those that are not; one that has refused the call is the last resort."""
        takers = [broker for broker in self._all if broker.takes_calls()]
        if len(takers) < 2:
            return takers[0] if takers else None
        fresh = [broker for broker in takers if broker not in tried]
        trusted = [broker for broker in fresh if broker.health.trusted]
        return choose(trusted or fresh or takers, now, self._chance)

    def have_other(self, tried: frozenset[Broker]) -> bool:
        """Whether there is one that may take what these have refused."""
        return any(broker.takes_calls() and broker not in tried for broker in self._all)

    def share(self, waiting: int) -> int:
        """How many of so many calls that wait go to one broker at once, so that the others get theirs."""
        if len(self._all) == 1:
            return wire.MAX_BUNDLE
        takers = sum(broker.takes_calls() for broker in self._all)
        return min(max(-(-waiting // max(takers, 1)), _LEAST_SHARE), wire.MAX_BUNDLE)

    def hopeless(self) -> tuple[str, str] | None:
        """Why no call can be sent for now, if so: of the first that merely goes away, or else of the first."""
        found = None
        for broker in self._all:
            if broker.retiring:
                continue
            end = broker.hopeless()
            if end is None:
                return None
            if found is None or (end[0] == "unavailable" and found[0] != "unavailable"):
                found = end
        return found

    def failed(self, broker: Broker, now: float) -> None:
        """It gets no calls for a while, where others can. Calls that fail together are one failure."""
        if self.are_several() and broker.health.trusted:
            broker.health.failed(now, self._jitter())

    def tick(self, now: float) -> None:
        """Pings those that failed, when that is due."""
        for broker in self._all:
            if broker.is_suspect() and broker.health.due <= now:
                broker.ping_due = broker.health.tick(now, self._jitter())

    def due(self) -> float:
        """When tick() has something to do; infinity: never."""
        suspects = (broker.health.due for broker in self._all if broker.is_suspect())
        return min(suspects, default=float("inf"))

    def _jitter(self) -> float:
        return self._chance.uniform(0.5, 1.0)
