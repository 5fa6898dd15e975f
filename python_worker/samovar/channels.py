"""A client's connections: one to each broker that is known. One turn takes in what has come and sends what waits. Never
waits itself.

A connection that is older than `max_age` is made anew, so that behind an address which stands for many brokers those that came
later get their share; the old one goes when the new one is ready and its last call has ended.
"""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import zmq

from samovar.calls import Calls
from samovar.channel import Channel
from samovar.endpoints import Addresses, Lookup
from samovar.host import clock_name
from samovar.keys import Keys

_SEND_AGAIN_S = 0.002  # while a socket's queue is full


class Channels:
    """Not thread-safe. Raises ValueError from the constructor for an endpoint that is none.

    `wake` is called in another thread when there is something to do. `on_open` and `on_close` hear of the channels whose
    `sources` are to be watched: after one was opened, before one is closed.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        pieces: tuple[str, ...],
        name: str,
        keys: Keys | None,
        max_age: float | None = None,
        *,
        wake: Callable[[], None],
        on_open: Callable[[Channel], None] = lambda channel: None,
        on_close: Callable[[Channel], None] = lambda channel: None,
        lookup: Lookup | None = None,
    ) -> None:
        self.calls = Calls(",".join(pieces))
        self._context = context
        self._hello = {
            "role": "client",
            "name": name or None,
            "pid": os.getpid(),
            "clock": clock_name(),
        }
        self._keys = keys
        self._max_age = max_age
        self._on_open, self._on_close = on_open, on_close
        self._all: list[Channel] = []
        self._renew_at: dict[Channel, float] = {}  # once it is ready
        self._successors: dict[Channel, Channel] = {}  # being made
        self._addresses = Addresses(pieces, wake, lookup)
        try:
            self._want()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Any:
        return iter(self._all)

    def turn(self) -> None:
        """Until nothing has come and nothing can be sent. Calls that changed are in `calls.news`."""
        now = time.monotonic()
        if (
            not self._addresses.present
        ):  # a name without an address is a broker that is not there yet
            self._addresses.look_again(now)
        if self._addresses.tick(now):
            self._want()
        for channel in self._all:
            if not channel.take_in(now):
                self._addresses.look_again(now)
        self.calls.tick(now, self._why_waiting)
        if self._max_age is not None:
            self._renew(self._max_age, now)
        self._send(now)
        self._drop_those_over()

    def seconds_to_wait(self) -> float | None:
        """How long a turn has nothing to do if nothing comes; None: for ever."""
        now = time.monotonic()
        if any(channel.broker.full for channel in self._all):
            return _SEND_AGAIN_S
        waits = [channel.seconds_to_wait(now) for channel in self._all]
        waits.append(self._addresses.seconds_to_wait(now))
        due = self.calls.next_deadline()
        if due is not None:
            waits.append(max(0.0, due - now))
        if self._max_age is not None:
            waits += [
                max(0.0, at - now)
                for channel, at in self._renew_at.items()
                if channel not in self._successors and not channel.broker.retiring
            ]
        return min((wait for wait in waits if wait is not None), default=None)

    def has_input(self) -> bool:
        """Whether something has come since the last turn: descriptors tell of changes only."""
        return any(channel.has_input() for channel in self._all)

    def close(self) -> None:
        """Ends all calls as cancelled, and tells the brokers."""
        self.calls.cancel_all()
        self._send(time.monotonic())
        for channel in self._all:
            self._close(channel)

    def _want(self) -> None:
        """The brokers that are known now, and no others."""
        present = self._addresses.present
        for channel in self._all:
            if channel.broker.endpoint not in present:
                channel.broker.retiring = True
        there = {c.broker.endpoint for c in self._all if not c.broker.retiring}
        for endpoint in present:
            if endpoint not in there:
                self._open(endpoint)

    def _open(self, endpoint: str) -> Channel:
        channel = Channel(self._context, self.calls, endpoint, self._hello, self._keys)
        self._all.append(channel)
        self._on_open(channel)
        return channel

    def _close(self, channel: Channel) -> None:
        self._on_close(channel)
        channel.close()

    def _renew(self, max_age: float, now: float) -> None:
        for channel in tuple(self._all):
            successor = self._successors.get(channel)
            if channel.broker.retiring:
                continue
            if successor is not None:
                channel.broker.retiring = bool(successor.broker.epoch)
            elif channel.broker.epoch:
                # Between three quarters of the age and five: clients that connected together part.
                at = self._renew_at.setdefault(channel, now + max_age * random.uniform(0.75, 1.25))
                if at <= now:
                    self._successors[channel] = self._open(channel.broker.endpoint)

    def _drop_those_over(self) -> None:
        for channel in [each for each in self._all if each.broker.is_over()]:
            self._close(channel)
            self._all.remove(channel)
            self.calls.brokers.remove(channel.broker)
            self._renew_at.pop(channel, None)
            self._successors.pop(channel, None)

    def _send(self, now: float) -> None:
        for channel in self._all:
            channel.broker.full = False
        while (message := self.calls.next_message(now)) is not None:
            channel = next(each for each in self._all if each.broker is message.broker)
            if channel.try_send(message.frames):
                self.calls.sent(message)
            else:
                message.broker.full = True

    def _why_waiting(self) -> str:
        """What is said of a broker that takes connections says more than what is said of others."""
        staying = [channel for channel in self._all if not channel.broker.retiring]
        for channel in staying:
            if channel.is_connected:
                return f"the broker at {channel.broker.endpoint} takes connections, but does not answer"
        if not staying:
            return f"no broker is known: {self.calls.endpoint} has no address"
        where = " or ".join(channel.broker.endpoint for channel in staying)
        return f"no broker answers at {where}: is samovard running there?"
