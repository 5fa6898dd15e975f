"""A client's connection to one broker: takes in what has come. Never waits itself."""

from typing import Any

import zmq

from samovar import wire
from samovar.broker import Broker
from samovar.calls import Calls
from samovar.connection import Change, Connection
from samovar.keys import Keys

_SESSION_KINDS = (wire.HELLO, wire.REGISTER_AGAIN)


class Channel:
    """Not thread-safe. Raises ValueError from the constructor for an endpoint that is none."""

    def __init__(
        self,
        context: "zmq.Context[Any]",
        calls: Calls,
        endpoint: str,
        hello: dict[str, Any],
        keys: Keys | None,
    ) -> None:
        self._calls = calls
        try:
            self._connection = Connection(
                context, endpoint, hello, keys=keys, key_words="key_file, broker_key_file"
            )
        except zmq.ZMQError:
            raise ValueError(
                f"{endpoint!r} is no endpoint: write tcp://HOST:PORT or ipc://PATH"
            ) from None
        self.broker: Broker = calls.brokers.add(endpoint)
        self.malformed = 0
        self.sources: list[Any] = [self._connection.socket, self._connection.monitor]

    @property
    def is_connected(self) -> bool:
        """Somebody takes connections there, whether it answers or not."""
        return bool(self.broker.epoch) or self._connection.seconds_to_wait(0) is not None

    def close(self) -> None:
        self._connection.close(linger_ms=100)

    def take_in(self, now: float) -> bool:
        """Until nothing has come. False: the session was lost meanwhile."""
        connection = self._connection
        ended = self._changed(connection.read_monitor(now), now)
        if connection.refusal:
            why = f"the broker at {self.broker.endpoint} {connection.refusal}"
            self._calls.refused(self.broker, "unauthorized", why)
        while (received := connection.receive()) is not None:
            self._take(*received, now)
        connection.tick(now)
        return not ended

    def seconds_to_wait(self, now: float) -> float | None:
        """How long take_in() has nothing to do if nothing comes; None: for ever."""
        return self._connection.seconds_to_wait(now)

    def has_input(self) -> bool:
        """Whether something has come since the last turn: descriptors tell of changes only."""
        return any(source.getsockopt(zmq.EVENTS) & zmq.POLLIN for source in self.sources)

    def try_send(self, frames: list[Any]) -> bool:
        return self._connection.try_send(frames)

    def _take(self, frame: bytes, frames: list[Any], now: float) -> None:
        try:
            kind = wire.kind_of(frame)
            if kind in (wire.REPLY, wire.ITEMS):
                self._calls.message(self.broker, kind, frame, frames, now)
                return
            message = wire.decode_control(frame, len(frames))
            if kind in _SESSION_KINDS:
                self._changed(self._connection.handle(message, now), now)
            elif message[2] == self._connection.epoch or kind == wire.PROTOCOL_ERROR:
                self._calls.message(self.broker, kind, frame, frames, now)
        except wire.WireError:
            self.malformed += 1

    def _changed(self, change: Change, now: float) -> bool:
        """Whether the session has ended."""
        if change is Change.BEGAN:
            connection = self._connection
            self.broker.begin(connection.epoch, connection.max_body, connection.same_clock())
        elif change is Change.ENDED:
            self._calls.lost(self.broker, now)
        return change is Change.ENDED
