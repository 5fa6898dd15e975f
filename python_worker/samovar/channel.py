"""A client's connection with its calls: one turn takes in what has come and sends what waits. Never waits itself."""

import os
import time
from typing import Any

import zmq

from samovar import wire
from samovar.calls import Calls
from samovar.connection import Change, Connection
from samovar.host import clock_name
from samovar.keys import Keys

_SEND_AGAIN_S = 0.002  # while the socket's queue is full
_SESSION_KINDS = (wire.HELLO, wire.REGISTER_AGAIN)


class Channel:
    """Not thread-safe. Raises ValueError from the constructor for an endpoint that is none."""

    def __init__(
        self, context: "zmq.Context[Any]", endpoint: str, name: str, keys: Keys | None
    ) -> None:
        hello = {"role": "client", "name": name or None, "pid": os.getpid(), "clock": clock_name()}
        self.endpoint = endpoint
        self.calls = Calls(endpoint)
        self.malformed = 0
        try:
            self._connection = Connection(
                context, endpoint, hello, keys=keys, key_words="key_file, broker_key_file"
            )
        except zmq.ZMQError:
            raise ValueError(
                f"{endpoint!r} is no endpoint: write tcp://HOST:PORT or ipc://PATH"
            ) from None
        self._full = False

    @property
    def socket(self) -> Any:
        return self._connection.socket

    @property
    def monitor(self) -> Any:
        return self._connection.monitor

    def close(self) -> None:
        """Ends all calls as cancelled, and tells the broker."""
        self.calls.cancel_all()
        self._send(time.monotonic())
        self._connection.close(linger_ms=100)

    def turn(self) -> None:
        """Until nothing has come and nothing can be sent. Calls that changed are in `calls.news`."""
        now = time.monotonic()
        connection = self._connection
        self._changed(connection.read_monitor(now), now)
        if connection.refusal:
            self.calls.refused(
                "unauthorized", f"the broker at {self.endpoint} {connection.refusal}"
            )
        while (received := connection.receive()) is not None:
            self._take(*received, now)
        connection.tick(now)
        self.calls.tick(now, self._why_waiting())
        self._send(now)

    def seconds_to_wait(self) -> float | None:
        """How long a turn has nothing to do if nothing comes; None: for ever."""
        if self._full:
            return _SEND_AGAIN_S
        now = time.monotonic()
        due = self.calls.next_deadline()
        waits = [
            self._connection.seconds_to_wait(now),
            None if due is None else max(0.0, due - now),
        ]
        return min((wait for wait in waits if wait is not None), default=None)

    def has_input(self) -> bool:
        """Whether something has come since the last turn: descriptors tell of changes only."""
        return bool(
            self.socket.getsockopt(zmq.EVENTS) & zmq.POLLIN
            or self.monitor.getsockopt(zmq.EVENTS) & zmq.POLLIN
        )

    def _take(self, frame: bytes, frames: list[Any], now: float) -> None:
        try:
            kind = wire.kind_of(frame)
            if kind in (wire.REPLY, wire.ITEMS):
                self.calls.message(kind, frame, frames)
                return
            message = wire.decode_control(frame, len(frames))
            if kind in _SESSION_KINDS:
                self._changed(self._connection.handle(message, now), now)
            elif message[2] == self._connection.epoch or kind == wire.PROTOCOL_ERROR:
                self.calls.message(kind, frame, frames)
        except wire.WireError:
            self.malformed += 1

    def _changed(self, change: Change, now: float) -> None:
        if change is Change.BEGAN:
            connection = self._connection
            self.calls.began(connection.epoch, connection.max_body, connection.same_clock())
        elif change is Change.ENDED:
            self.calls.lost(now)

    def _send(self, now: float) -> None:
        self._full = False
        while (message := self.calls.next_message(now)) is not None:
            if not self._connection.try_send(message.frames):
                self._full = True
                return
            self.calls.sent(message)

    def _why_waiting(self) -> str:
        if self._connection.seconds_to_wait(0) is None:
            return f"no broker answers at {self.endpoint}: is samovard running there?"
        return f"the broker at {self.endpoint} takes connections, but does not answer"
