"""A connection to the broker and the session on it: HELLO, epochs, breaks. For workers and supervisors."""

import enum
import itertools
import logging
from collections.abc import Callable
from typing import Any

import zmq

from samovar import wire
from samovar.attached import Frame
from samovar.keys import Keys
from samovar.wire import BrokerHello, Message, WireError

log = logging.getLogger("samovar")

# Frames that a peer may send, and that this one accepts: max_body is announced later, so this is for the
# socket only, which cuts the connection beyond it.
MAX_FRAME_BYTES = 1 << 30
_SLACK_BYTES = 1 << 20
# Messages that wait in this socket. Many more than a worker's credit and control messages, and few enough:
# with some thousand queued a busy worker's heartbeats are no longer answered.
_RECEIVE_QUEUE = 2000
_SEND_QUEUE = 2000
_HEARTBEAT_MS = 2000
_HEARTBEAT_TIMEOUT_MS = 15000
_RECONNECT_MS = 20
_RECONNECT_MAX_MS = 500
# A HELLO that was not answered (every send may be lost) is said again after this long.
HELLO_RETRY_S = 5.0
# At least this long between one HELLO and the next that is not due to a new connection: a broker that answers
# everything with REGISTER_AGAIN makes no storm.
_HELLO_INTERVAL_S = 0.1
# The pipe of a new connection may be there a moment after the monitor's event.
_SEND_RETRY_S = 0.005
_COMPLAIN_EVERY_S = 10.0
_RCVMORE = int(zmq.RCVMORE)
_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)

_monitor_numbers = itertools.count()


class Change(enum.Enum):
    """What a monitor event or a message did to the session."""

    NONE = enum.auto()
    BEGAN = enum.auto()
    ENDED = enum.auto()


class Connection:
    """One DEALER, its monitor, and the session. Its owner polls both sockets and calls in.

    `epoch` is 0 while there is no session. `now` arguments are time.monotonic(). Not thread-safe. Raises
    zmq.ZMQError from the constructor for an endpoint that libzmq refuses.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        endpoint: str,
        hello: dict[str, Any],
        keys: Keys | None = None,
        key_words: str = "--key, --broker-key",
    ) -> None:
        self.endpoint = endpoint
        self.epoch = 0
        self.broker: BrokerHello | None = None
        self._receive_wait_ms = 0
        self._hello = hello
        self._keys = keys
        self._key_words = key_words  # how keys are given
        self.refusal = ""  # why the last handshake failed for want of a right key; "": it did not
        self._may_complain_at = float("-inf")
        self._nonce = 0  # of the HELLO that waits for an answer; 0: none does
        self._hello_at: float | None = None  # when to say HELLO (again)
        self._said_hello_at = float("-inf")
        self.socket = context.socket(zmq.DEALER)
        self.monitor = context.socket(zmq.PAIR)
        self._receive = self.socket.recv
        # Not Socket.send, whose keyword arguments cost as much as sending does.
        self._send: Callable[..., Any] = super(zmq.Socket, self.socket).send
        self._option: Callable[[int], Any] = self.socket.getsockopt
        try:
            self._open(endpoint)
            self.socket.setsockopt(zmq.RCVTIMEO, 0)
            # Readable when there may be something new: see has_input().
            self.fd = int(self._option(zmq.FD))
            self.monitor_fd = int(self.monitor.getsockopt(zmq.FD))
        except zmq.ZMQError:
            self.close(linger_ms=0)
            raise

    def _open(self, endpoint: str) -> None:
        socket = self.socket
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, _RECEIVE_QUEUE)
        socket.setsockopt(zmq.SNDHWM, _SEND_QUEUE)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES + _SLACK_BYTES)
        socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        socket.setsockopt(zmq.IPV6, int("//[" in endpoint))
        if self._keys is not None:
            socket.curve_serverkey = self._keys.broker.encode()
            socket.curve_publickey = self._keys.public.encode()
            socket.curve_secretkey = self._keys.secret.encode()
        # A monitor that is not read stalls libzmq's I/O thread, unless its queue has no limit.
        address = f"inproc://samovar-monitor-{next(_monitor_numbers)}"
        refusals = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        socket.monitor(address, zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | refusals)
        self.monitor.setsockopt(zmq.RCVHWM, 0)
        self.monitor.setsockopt(zmq.LINGER, 0)
        self.monitor.connect(address)
        socket.connect(endpoint)

    def close(self, linger_ms: int) -> None:
        """Closes both sockets. What was sent is delivered for at most `linger_ms` while the context ends."""
        if not self.socket.closed:
            self.socket.disable_monitor()
            self.socket.close(linger=linger_ms)
        self.monitor.close(linger=0)

    def seconds_to_wait(self, now: float) -> float | None:
        """How long the owner may sleep before it must call tick(); None: for ever."""
        return None if self._hello_at is None else max(0.0, self._hello_at - now)

    def tick(self, now: float) -> None:
        """Says HELLO when that is due."""
        if self._hello_at is not None and now >= self._hello_at:
            self._say_hello(now)

    def _say_hello(self, now: float) -> None:
        self._nonce = wire.new_nonce()
        frame = wire.encode_control(wire.HELLO, 0, {**self._hello, "nonce": self._nonce})
        self._said_hello_at = now
        self._hello_at = now + (HELLO_RETRY_S if self.try_send([frame]) else _SEND_RETRY_S)

    def restart(self, now: float, why: str) -> Change:
        """Gives up the session and asks for a new one, on the same connection."""
        log.warning("registering again at %s: %s", self.endpoint, why)
        self._hello_at = max(now, self._said_hello_at + _HELLO_INTERVAL_S)
        return self._end()

    def _end(self) -> Change:
        had, self.epoch, self._nonce = self.epoch, 0, 0
        return Change.ENDED if had else Change.NONE

    def read_monitor(self, now: float) -> Change:
        """Handles what the monitor has to say: ENDED if the session's connection broke."""
        change = Change.NONE
        while True:
            try:
                event = self.monitor.recv_multipart(zmq.NOBLOCK)[0]
            except zmq.Again:
                return change
            number = int.from_bytes(event[:2], "little")
            if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._hello_at = now
                self.refusal = ""
            elif number != zmq.EVENT_DISCONNECTED:
                self._handshake_failed(number, int.from_bytes(event[2:6], "little"), now)
            else:
                self._hello_at = None
                if self._end() is Change.ENDED:
                    change = Change.ENDED
                    # A worker's supervisor says so for all of its workers.
                    level = logging.DEBUG if self._hello["role"] == "worker" else logging.INFO
                    log.log(level, "lost the broker at %s", self.endpoint)

    def _handshake_failed(self, event: int, value: int, now: float) -> None:
        """Says why, now and then: libzmq goes on trying."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            why = "does not know this key"
        elif value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            why = f"wants a key ({self._key_words})" if self._keys is None else "has no key"
        else:
            return
        self.refusal = why
        if self._hello["role"] == "supervisor" and now >= self._may_complain_at:
            self._may_complain_at = now + _COMPLAIN_EVERY_S
            log.error("unauthorized: the broker at %s %s", self.endpoint, why)

    def handle(self, message: Message, now: float) -> Change:
        """A control message that concerns the session. Raises WireError if it is malformed."""
        kind = message[1]
        if kind == wire.HELLO:
            return self._handle_hello(message)
        if kind == wire.REGISTER_AGAIN and self._hello_at is None:  # else HELLO is on its way
            return self.restart(now, wire.decode_notice(message) or "the broker asked for it")
        if kind == wire.PROTOCOL_ERROR:
            log.error("the broker refused a message: %s", wire.decode_protocol_error(message))
        return Change.NONE

    def _handle_hello(self, message: Message) -> Change:
        hello = wire.decode_broker_hello(message)
        if not self._nonce or hello.nonce != self._nonce:
            return Change.NONE  # answers a HELLO that was followed by another
        self._nonce = 0
        self._hello_at = None
        self.epoch = hello.epoch
        self.broker = hello
        # Takes effect on the next connection.
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, max(hello.heartbeat_ms, 1))
        return Change.BEGAN

    @property
    def receive_wait_ms(self) -> int:
        """How long receive() waits for a message."""
        return self._receive_wait_ms

    @receive_wait_ms.setter
    def receive_wait_ms(self, wait_ms: int) -> None:
        if wait_ms != self._receive_wait_ms:
            self._receive_wait_ms = wait_ms
            self.socket.setsockopt(zmq.RCVTIMEO, wait_ms)

    @property
    def max_body(self) -> int:
        """Bytes that one message may have, attachments included."""
        return min(self.broker.max_body, MAX_FRAME_BYTES) if self.broker else _SLACK_BYTES

    def same_clock(self) -> bool:
        """Whether the broker's CLOCK_MONOTONIC is this process's."""
        return bool(self.broker and self.broker.clock and self.broker.clock == self._hello["clock"])

    def try_send(self, frames: list[Any]) -> bool:
        """Sends one message without waiting; False if the connection is not there or does not take it."""
        send = self._send
        try:
            if len(frames) == 1:
                send(frames[0], zmq.NOBLOCK)
                return True
            send(frames[0], zmq.NOBLOCK | zmq.SNDMORE)
            for frame in frames[1:-1]:
                send(frame, zmq.SNDMORE)
            send(frames[-1])
            return True
        except zmq.Again:
            return False

    def has_input(self) -> bool:
        """Whether receive() has a message. Only after this said no does `fd` tell of the next one; it may do so in vain."""
        return bool(self._option(_EVENTS) & _POLLIN)

    def receive(self) -> tuple[bytes, list[Frame]] | None:
        """One message, frame 0 and the rest (each a zmq.Frame, not copied); None when there is none, or came none within `receive_wait_ms`."""
        try:
            frame = self._receive()
        except zmq.Again:
            return None
        if not self._option(_RCVMORE):
            return frame, []
        return frame, self.socket.recv_multipart(copy=False)

    def decode_control(self, frame: bytes, attachments: list[Frame]) -> Message | None:
        """A message as a list, or None (with a line in the log) if it is malformed."""
        try:
            return wire.decode_control(frame, len(attachments))
        except WireError as error:
            log.error("dropped a message of the broker at %s: %s", self.endpoint, error)
            return None
