"""A supervisor's sessions with the brokers of its pool: tells them of it, hears their commands, follows their list."""

import logging
import time
from collections.abc import Callable
from typing import Any

import zmq

from samovar import wire
from samovar.connection import Change, Connection
from samovar.endpoints import Addresses
from samovar.keys import Keys
from samovar.orders import Brokers
from samovar.pool import encode_pool
from samovar.reload import Answer, Command
from samovar.wire import Message, WireError

log = logging.getLogger("samovar")

_LINGER_MS = 500
_RETRY_S = 0.05  # for what a broker did not take
_PATIENCE_S = 2.0  # so long the log is silent about a broker that does not answer

# Makes the frame of a message for the epoch of a session.
Encode = Callable[[int], bytes]
Obey = Callable[[Command, str, list[Any]], None]


class Session:
    """One of them. `number` names the broker to the workers, and on the board."""

    def __init__(self, number: int, connection: Connection) -> None:
        self.number = number
        self.connection = connection
        self.leaving = False  # it is no longer in the list; closed when no worker has it any more
        self.pool_sent: object = None  # what it was told last in this session
        self._answers: list[Answer] = []  # to it, not sent yet
        self._lonely_at: float | None = time.monotonic() + _PATIENCE_S  # when the log says so
        self._missed = False  # the log has said that it is not there

    def note_loneliness(self, now: float) -> None:
        """Says once that no broker has answered since the start."""
        if self._lonely_at is not None and now >= self._lonely_at:
            self._lonely_at = None
            self._missed = True
            endpoint = self.connection.endpoint
            log.warning("no broker answers at %s: waiting for one; is that its backend?", endpoint)

    def seconds_to_wait(self, now: float) -> float | None:
        times = [
            self.connection.seconds_to_wait(now),
            None if self._lonely_at is None else max(0.0, self._lonely_at - now),
        ]
        return min((each for each in times if each is not None), default=None)

    def serve(self, now: float, obey: Obey) -> bool:
        """Handles what has come; True if its connection was lost."""
        connection = self.connection
        lost = connection.read_monitor(now) is Change.ENDED
        self._missed |= lost
        connection.tick(now)
        while (received := connection.receive()) is not None:
            message = connection.decode_control(*received)
            if message is None:
                continue
            try:
                if message[1] == wire.COMMAND:
                    self._command(message, obey)
                elif connection.handle(message, now) is Change.BEGAN:
                    self._began()
            except WireError as error:
                log.error("dropped a message of the broker: %s", error)
        return lost

    def _began(self) -> None:
        self.pool_sent = None
        self._lonely_at = None
        if self._missed:
            log.info("the broker at %s is there", self.connection.endpoint)
        self._missed = False

    def _command(self, message: Message, obey: Obey) -> None:
        """PROTOCOL.md 5.11. Raises WireError."""
        if message[2] == self.connection.epoch:
            id_, name, args = wire.decode_command(message)
            obey(Command(self.number, message[2], id_), name, args)

    def tell(self, description: dict[str, Any] | None, answers: list[Answer]) -> bool:
        """Sends POOL when something in it has changed, or it is not known there yet, and what `answers` has for it.

        False if not all of that was taken.
        """
        connection = self.connection
        epoch = connection.epoch
        self._answers += answers
        # Of an earlier session: nobody waits for it any more.
        self._answers = [each for each in self._answers if each.to.epoch == epoch]
        while self._answers and epoch:
            frame = wire.encode_control(wire.COMMAND_DONE, epoch, _content(self._answers[0]))
            if not connection.try_send([frame]):
                return False
            self._answers.pop(0)
        if description is None or not epoch or description == self.pool_sent:
            return True
        if not connection.try_send([encode_pool(epoch, description)]):
            return False
        self.pool_sent = description
        return True


def _content(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.to.id,
        "ok": answer.ok,
        "message": answer.message,
        "result": answer.result,
    }


class Sessions:
    """All of them; the supervisor's loop owns it, polls sources() and calls in. `now` is monotonic seconds."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        addresses: Addresses,
        hello: dict[str, Any],
        keys: Keys | None,
    ) -> None:
        """Raises zmq.ZMQError for an endpoint that libzmq refuses."""
        self._context = context
        self._addresses = addresses
        self._hello = hello
        self._keys = keys
        self._last = 0  # number that was given
        self._all: list[Session] = []
        self._retry = False
        for endpoint in addresses.present:
            self._open(endpoint)

    def _open(self, endpoint: str) -> None:
        connection = Connection(self._context, endpoint, self._hello, self._keys)
        self._last += 1
        self._all.append(Session(self._last, connection))

    @property
    def brokers(self) -> Brokers:
        """Those that workers are to serve."""
        return [(each.number, each.connection.endpoint) for each in self._all if not each.leaving]

    @property
    def joined(self) -> bool:
        """Whether one of them has a session now."""
        return any(each.connection.epoch for each in self._all)

    def follow(self, now: float) -> bool:
        """Looks whom the list stands for now; True when `brokers` are others than before."""
        if not self._addresses.tick(now):
            return False
        present = self._addresses.present
        held = {endpoint for _, endpoint in self.brokers}
        for session in self._all:
            if not session.leaving and session.connection.endpoint not in present:
                session.leaving = True
                log.info(
                    "leaving the broker at %s: it is not listed now", session.connection.endpoint
                )
        for endpoint in present:
            if endpoint in held:
                continue
            try:
                self._open(endpoint)
                log.info("one broker more, at %s", endpoint)
            except zmq.ZMQError as error:
                log.error("cannot connect to %s: %s", endpoint, error)
        return True

    def let_go(self, in_use: Callable[[int], bool]) -> None:
        """Closes those that are left and that no worker has a session with, which obituaries could be for."""
        for session in [each for each in self._all if each.leaving]:
            if not in_use(session.number):
                self._all.remove(session)
                session.connection.close(_LINGER_MS)

    def sources(self) -> list[Any]:
        """To be polled for reading."""
        return [
            socket
            for each in self._all
            for socket in (each.connection.socket, each.connection.monitor)
        ]

    def seconds_to_wait(self, now: float) -> float | None:
        times = [each.seconds_to_wait(now) for each in self._all]
        times += [self._addresses.seconds_to_wait(now), _RETRY_S if self._retry else None]
        return min((each for each in times if each is not None), default=None)

    def serve(self, now: float, obey: Obey) -> None:
        """Handles what they have said."""
        for session in self._all:
            if session.serve(now, obey):
                self._addresses.look_again(now)
            session.note_loneliness(now)

    def tell(self, description: dict[str, Any] | None, answers: list[Answer]) -> None:
        """Each hears how the pool is, and the answers to its own commands."""
        taken = [
            session.tell(
                description, [each for each in answers if each.to.broker == session.number]
            )
            for session in self._all
        ]
        self._retry = not all(taken)

    def send_obituary(self, broker: int, encode: Encode) -> None:
        """`encode` makes the frame for a session's epoch; without one the broker has lost the worker as well."""
        for session in self._all:
            epoch = session.connection.epoch
            if (
                session.number == broker
                and epoch
                and not session.connection.try_send([encode(epoch)])
            ):
                log.error("the broker at %s does not take an obituary", session.connection.endpoint)

    def close(self) -> None:
        for session in self._all:
            session.connection.close(_LINGER_MS)
