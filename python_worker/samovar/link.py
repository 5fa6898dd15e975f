"""What a worker has with one broker: the connection, the session on it, and the requests that it holds of it."""

import enum
import logging
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zmq

from samovar import wire
from samovar.attached import Frame
from samovar.board import BROKER, DOOMED, REQUESTS, Slot, begin_session
from samovar.bundles import REQUEST_HEAD, REQUEST_ITEM, decode_requests, place_arrays
from samovar.connection import Change, Connection
from samovar.executor import Executor
from samovar.fork_guard import ForkGuard
from samovar.wire import Message, WireError

if TYPE_CHECKING:
    from samovar.call import Call
    from samovar.inbox import Inbox
    from samovar.outbox import Outbox
    from samovar.running import Running

log = logging.getLogger("samovar")

# A connection that breaks is not replaced sooner (Connection's reconnect interval): until then what is sent
# cannot reach another broker than the one that it is for.
_SAME_CONNECTION_S = 0.01
_LONGEST_WAIT_MS = 1000
_LISTS = frozenset({list})


class State(enum.Enum):
    JOINING = enum.auto()  # without a session: none yet, or it was lost
    READY = enum.auto()  # has said READY
    LEAVING = enum.auto()  # has said DRAIN
    LEFT = enum.auto()  # no more requests come; what it holds is still answered


class Link:
    """Everything happens in the thread of the worker's loop, which polls the connection's sockets.

    `number` is the supervisor's for this broker. `heard` is called after each change of the session, or of `state`.
    A service with a scheduler has `inbox`, `outbox` and `running`, and its requests in `held` and `unwanted`.
    """

    inbox: "Inbox | None" = None
    outbox: "Outbox"
    running: "Running"

    def __init__(
        self,
        number: int,
        connection: Connection,
        board: Slot,
        place: int,
        guard: ForkGuard,
        heard: Callable[["Link", Change], None],
    ) -> None:
        """`place`: of its session on the board."""
        self.number = number
        self.place = place
        self.state = State.JOINING
        self.brokers_told = 0  # how many this broker knows that the worker serves
        self.connection = connection
        self.session = board.sessions[place]
        self.session[BROKER] = number
        self.held: dict[int, "Call"] = {}  # of this session, by id: those that wait, those that run
        self.unwanted: set[int] = set()  # of requests to come: cancelled already
        self.receive = connection.receive
        self.executor: Executor
        self.run: Callable[[Message, int, int, list[Frame]], None]
        self._words = board.words
        self._guard = guard
        self._heard = heard
        self._same_clock = False
        self._monitor_read_at = 0.0

    @property
    def epoch(self) -> int:
        return self.connection.epoch

    def close(self, linger_ms: int) -> None:
        self.connection.close(linger_ms)
        begin_session(self.session, 0)
        self.session[BROKER] = 0

    # --- the session -----------------------------------------------------------------------------------

    def say_ready(self, ready: dict[str, Any]) -> None:
        """The session has begun."""
        self.state = State.READY
        self.brokers_told = ready.get("brokers") or 1
        self.send([wire.encode_control(wire.READY, self.epoch, ready)])

    def tell_brokers(self, brokers: int) -> None:
        """Says how many the worker serves now, if this broker believes something else. Tries once."""
        if self.state is not State.READY or self.brokers_told == brokers:
            return
        frame = wire.encode_control(wire.BROKERS, self.epoch, {"brokers": brokers})
        if self.connection.try_send([frame]):
            self.brokers_told = brokers

    def leave(self) -> None:
        """No more requests are wanted; without a session there are none."""
        self.read_monitor(time.monotonic())
        if self.state is State.READY:
            self.state = State.LEAVING
            self.send([wire.encode_control(wire.DRAIN, self.epoch, {})])
        elif self.state is State.JOINING:
            self.state = State.LEFT

    def send(self, frames: list[Any]) -> None:
        """Sends a message of this session; waits while the broker does not take it; drops it if it ends."""
        if self._guard.forked:
            self._guard.check()
        while self._words[DOOMED]:
            signal.pause()
        connection = self.connection
        epoch = connection.epoch
        now = time.monotonic()
        if now - self._monitor_read_at > _SAME_CONNECTION_S:
            self.read_monitor(now)
        while epoch and epoch == connection.epoch and not connection.try_send(frames):
            zmq.zmq_poll(
                [(connection.socket, zmq.POLLOUT), (connection.monitor, zmq.POLLIN)],
                _LONGEST_WAIT_MS,
            )
            self.read_monitor(time.monotonic())

    def read_monitor(self, now: float) -> None:
        self._monitor_read_at = now
        self._changed(self.connection.read_monitor(now))

    def _changed(self, change: Change) -> None:
        if change is Change.NONE:
            return
        self._same_clock = self.connection.same_clock()
        begin_session(self.session, self.epoch)
        if change is Change.ENDED:
            self.state = State.JOINING if self.state is State.READY else State.LEFT
        self._heard(self, change)

    # --- messages --------------------------------------------------------------------------------------

    def handle(self, frame: bytes, attachments: list[Frame]) -> None:
        """One message. The usual REQUEST goes straight to `run`; the rest is looked at closely."""
        try:
            message = wire.unpack(frame)
            if not (
                message[1] == wire.REQUEST
                and message[0] == wire.VERSION
                and not attachments
                and (len(message) - REQUEST_HEAD) % REQUEST_ITEM == 0
                and _LISTS.issuperset(map(type, message[REQUEST_HEAD + 5 :: REQUEST_ITEM]))
            ):
                if (
                    message[1] in (wire.CANCEL, wire.WINDOW)
                    and not attachments
                    and self.inbox is not None
                ):
                    self.inbox.tell_scheduler(message)
                    return
                message = self._look_closely(frame, attachments)
        except Exception:  # msgpack's many, or a message that is no array
            message = self._look_closely(frame, attachments)
        if message is None or message[2] != self.connection.epoch or not message[2]:
            return  # handled, or of an earlier session
        received_ns = time.monotonic_ns()
        sent_ns = message[3] * 1000
        if not self._same_clock or not 0 < sent_ns <= received_ns:
            sent_ns = received_ns
        self._words[REQUESTS] += (len(message) - REQUEST_HEAD) // REQUEST_ITEM
        try:
            self.run(message, received_ns, sent_ns, attachments)
        except (TypeError, ValueError, WireError) as error:
            self._guard.check()
            self._changed(self.connection.restart(time.monotonic(), f"malformed bundle: {error!r}"))

    def _look_closely(self, frame: bytes, attachments: list[Frame]) -> Message | None:
        """The REQUEST, checked item by item; or None after any other message was handled."""
        now = time.monotonic()
        self.read_monitor(now)
        try:
            requests = decode_requests(frame, len(attachments))
            if attachments:
                place_arrays(requests, attachments)
            return requests
        except WireError as error:
            why = str(error)
        message = self.connection.decode_control(frame, attachments)
        if message is None or message[1] == wire.REQUEST:
            # Nobody can say which requests it held: a new session makes the broker end those that it sent.
            self._changed(self.connection.restart(now, f"malformed message: {why}"))
            return None
        self._handle_control(message, now)
        return None

    def _handle_control(self, message: Message, now: float) -> None:
        if message[1] == wire.DRAINED:
            # Everything dispatched came before it.
            if self.state is State.LEAVING and message[2] == self.epoch:
                self.state = State.LEFT
                self._heard(self, Change.NONE)
            return
        try:
            self._changed(self.connection.handle(message, now))
        except WireError as error:
            log.error("dropped a message of the broker: %s", error)
