"""Peers that speak proto/PROTOCOL.md by themselves, with pyzmq and msgpack only: clients, workers, supervisors.

They share no code with Samovar, so that a mistake made in both ends of it is seen here.
"""

import itertools
import os
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import zmq
from zmq.utils.monitor import recv_monitor_message

CAP_S = 30.0  # how long a condition may take that should hold at once

HELLO, REQUEST, REPLY, CANCEL, READY, REGISTER_AGAIN = 1, 2, 3, 4, 5, 6
DRAIN, DRAINED, POOL, OBITUARY, PROBE, PROTOCOL_ERROR = 7, 8, 9, 10, 11, 12
ITEMS, WINDOW, COMMAND, COMMAND_DONE = 13, 14, 15, 16

WORDS = (
    "ok app_error bad_request no_service unavailable overloaded deadline_exceeded worker_lost cancelled"
    " too_large unauthorized protocol_error broker_lost internal"
).split()

IDEMPOTENT, METADATA, STREAM, REPLAY = 1, 2, 4, 8


def pack(message: Any) -> bytes:
    packed: bytes = msgpack.packb(message, use_bin_type=True, datetime=True)
    return packed


def unpack(frame: bytes) -> Any:
    return msgpack.unpackb(frame, raw=False, strict_map_key=False, timestamp=3)


def clock_name() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def now_us() -> int:
    return time.monotonic_ns() // 1000


@dataclass
class Message:
    version: int
    kind: int
    epoch: int
    rest: list[Any]
    attachments: list[bytes]


@dataclass
class Outcome:
    """How a call ended. `value` is the result, or the map of an error."""

    word: str
    value: Any
    attempt: int = 1
    run_us: int = 0
    ext: dict[str, Any] | None = None
    attachments: list[bytes] = field(default_factory=list)

    @property
    def message(self) -> str:
        return str(self.value["message"])


def words(outcomes: Iterable[Outcome]) -> set[str]:
    return {outcome.word for outcome in outcomes}


class Peer:
    """A DEALER with a session. `hello` goes into its HELLO; `say_hello` False leaves that to the test."""

    role = "client"

    def __init__(
        self,
        context: "zmq.Context[Any]",
        endpoint: str,
        *,
        say_hello: bool = True,
        watched: bool = False,
        options: dict[int, Any] | None = None,
        **hello: Any,
    ) -> None:
        self.epoch = 0
        self.others: list[Message] = []  # what came beside replies or requests
        self.hello_map = {"role": self.role, "pid": os.getpid(), "clock": clock_name(), **hello}
        self.socket = context.socket(zmq.DEALER)
        settings = {
            zmq.IMMEDIATE: 1,
            zmq.LINGER: 0,
            zmq.HEARTBEAT_IVL: 2000,
            zmq.HEARTBEAT_TIMEOUT: 15000,
            zmq.RECONNECT_IVL: 20,
            zmq.SNDTIMEO: int(CAP_S * 1000),
            **(options or {}),
        }
        for option, value in settings.items():
            self.socket.setsockopt(option, value)
        self.monitor = (
            self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            if watched
            else None
        )
        self.socket.connect(endpoint)
        if say_hello:
            self.hello()

    def close(self) -> None:
        if self.monitor is not None:
            self.socket.disable_monitor()
            self.monitor = None
        self.socket.close(linger=0)

    def send(
        self, kind: int, *rest: Any, epoch: int | None = None, attachments: Sequence[bytes] = ()
    ) -> None:
        head = [1, kind, self.epoch if epoch is None else epoch]
        self.socket.send_multipart([pack([*head, *rest]), *attachments])

    def send_frames(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def receive(self, cap: float = CAP_S) -> Message | None:
        """The next message; None if none came within `cap` seconds."""
        if not self.socket.poll(max(0, cap) * 1000):
            return None
        first, *attachments = self.socket.recv_multipart()
        version, kind, epoch, *rest = unpack(first)
        return Message(version, kind, epoch, rest, attachments)

    def expect(self, kind: int, cap: float = CAP_S) -> Message:
        """The next message of this kind; others are put aside."""
        end = time.monotonic() + cap
        while (message := self.receive(end - time.monotonic())) is not None:
            if message.kind == kind:
                return message
            self.others.append(message)
        raise AssertionError(
            f"no message of kind {kind} came within {cap} s; others: {self.others}"
        )

    def hello(self, cap: float = CAP_S) -> dict[str, Any]:
        """Says HELLO until it is answered; the session has an epoch afterwards."""
        end = time.monotonic() + cap
        nonce = 0
        while time.monotonic() < end:
            nonce = random.randrange(1, 1 << 53)
            self.send(HELLO, {**self.hello_map, "nonce": nonce}, epoch=0)
            retry_at = time.monotonic() + 5
            while (message := self.receive(min(retry_at, end) - time.monotonic())) is not None:
                if message.kind == HELLO and message.rest[0]["nonce"] == nonce:
                    self.epoch = message.epoch
                    return dict(message.rest[0])
                self.others.append(message)
        raise AssertionError(f"HELLO was not answered within {cap} s; others: {self.others}")


class Client(Peer):
    """Calls, and what became of them. Each call must end once: a second reply for an id is an error here.

    A `watched` client notices that its connection broke: all that is outstanding ends as broker_lost.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._ids = itertools.count(1)
        self.outstanding: set[int] = set()
        self.outcomes: dict[int, Outcome] = {}
        self.items: dict[int, list[Any]] = {}  # of streams, by the call's id
        self.item_attachments: dict[int, list[bytes]] = {}
        self.breaks = 0
        super().__init__(*args, **options)

    def begin(
        self,
        method: str,
        *args: Any,
        timeout: float = CAP_S,
        flags: int = 0,
        sent_us: int | None = None,
        attachments: Sequence[bytes] = (),
        ext: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> int:
        """Sends one request; returns its id."""
        if attachments:
            ext = {**(ext or {}), "attachments": len(attachments)}
        id_ = next(self._ids)
        item = [id_, 1, flags, int(timeout * 1e6), method, list(args), kwargs or None, ext]
        self.outstanding.add(id_)
        self.send(REQUEST, now_us() if sent_us is None else sent_us, *item, attachments=attachments)
        return id_

    def begin_many(
        self,
        method: str,
        count: int,
        *args: Any,
        timeout: float = CAP_S,
        sent_us: int | None = None,
    ) -> list[int]:
        """Sends `count` equal requests in bundles of at most 1,024; returns their ids."""
        ids = list(itertools.islice(self._ids, count))
        self.outstanding.update(ids)
        for start in range(0, count, 1024):
            items: list[Any] = []
            for id_ in ids[start : start + 1024]:
                items += (id_, 1, 0, int(timeout * 1e6), method, list(args), None, None)
            self.send(REQUEST, now_us() if sent_us is None else sent_us, *items)
        return ids

    def pump(self, cap: float) -> bool:
        """Takes in one message or one event of the monitor; False if none came within `cap` seconds."""
        sources: list[tuple[Any, int]] = [(self.socket, zmq.POLLIN)]
        if self.monitor is not None:
            sources.append((self.monitor, zmq.POLLIN))
        ready = [source for source, _ in zmq.zmq_poll(sources, max(0, int(cap * 1000)))]
        if self.socket in ready:
            message = self.receive(0)
            if message is not None:
                self._handle(message)
        elif ready:
            self._watch(recv_monitor_message(self.monitor)["event"])
        return bool(ready)

    def _watch(self, event: int) -> None:
        if event == zmq.EVENT_DISCONNECTED:
            self.breaks += 1
            self.epoch = 0
            for id_ in self.outstanding:
                self.outcomes[id_] = Outcome("broker_lost", {"message": "seen by the client"})
            self.outstanding.clear()
        elif self.breaks:
            self.hello()

    def _handle(self, message: Message) -> None:
        if message.kind == ITEMS:
            self._handle_items(message)
            return
        if message.kind != REPLY:
            self.others.append(message)
            return
        assert message.epoch == self.epoch, "a reply under another epoch"
        assert message.rest and len(message.rest) % 6 == 0, "a REPLY of parts of items"
        buffers = list(message.attachments)
        for start in range(0, len(message.rest), 6):
            id_, attempt, status, run_us, value, ext = message.rest[start : start + 6]
            assert id_ in self.outstanding, f"a reply for {id_}, which is not outstanding"
            self.outstanding.remove(id_)
            count = (ext or {}).get("attachments", 0)
            taken, buffers = buffers[:count], buffers[count:]
            self.outcomes[id_] = Outcome(WORDS[status], value, attempt, run_us, ext, taken)
        assert not buffers, "attachments that no item claims"

    def _handle_items(self, message: Message) -> None:
        assert message.epoch == self.epoch, "items under another epoch"
        assert message.rest and len(message.rest) % 5 == 0, "ITEMS of parts of items"
        buffers = list(message.attachments)
        for start in range(0, len(message.rest), 5):
            id_, _, seq, value, ext = message.rest[start : start + 5]
            assert id_ in self.outstanding, f"an item for {id_}, which is not outstanding"
            items = self.items.setdefault(id_, [])
            assert seq == len(items), f"item {seq} of {id_}, where {len(items)} was due"
            items.append(value)
            count = (ext or {}).get("attachments", 0)
            taken, buffers = buffers[:count], buffers[count:]
            self.item_attachments.setdefault(id_, []).extend(taken)
        assert not buffers, "attachments that no item claims"

    def widen(self, id_: int, window: int) -> None:
        """Takes so many items of a stream, counted from its start."""
        self.send(WINDOW, id_, window)

    def take_items(self, id_: int, count: int, cap: float = CAP_S) -> list[Any]:
        """Waits until so many items of a stream have come; all that have."""
        end = time.monotonic() + cap
        while len(self.items.get(id_, [])) < count:
            assert id_ in self.outstanding, f"the stream has ended: {self.outcomes[id_]}"
            left = end - time.monotonic()
            assert left > 0, f"{count} items did not come within {cap} s"
            self.pump(left)
        return self.items.get(id_, [])

    def finish(self, id_: int, cap: float = CAP_S) -> Outcome:
        """Waits for this call's outcome."""
        self.finish_all([id_], cap)
        return self.outcomes[id_]

    def finish_all(self, ids: Iterable[int], cap: float = CAP_S) -> list[Outcome]:
        """Waits for the outcomes of these calls."""
        wanted = list(ids)
        end = time.monotonic() + cap
        for id_ in wanted:
            while id_ not in self.outcomes:
                left = end - time.monotonic()
                assert left > 0, f"{len(self.outstanding)} calls had no outcome within {cap} s"
                self.pump(left)
        return [self.outcomes[id_] for id_ in wanted]

    def call(self, method: str, *args: Any, cap: float = CAP_S, **options: Any) -> Outcome:
        return self.finish(self.begin(method, *args, **options), cap)

    def ok(self, method: str, *args: Any, **options: Any) -> Any:
        """The result of a call that must succeed."""
        outcome = self.call(method, *args, **options)
        assert outcome.word == "ok", outcome
        return outcome.value


@dataclass
class Item:
    """One request as a worker got it."""

    id: int
    attempt: int
    flags: int
    timeout_us: int
    method: str
    args: list[Any]
    kwargs: dict[str, Any] | None
    ext: dict[str, Any] | None


class Worker(Peer):
    """A worker in the test's own hands."""

    role = "worker"

    def ready(self, service: str, *methods: str, credit: int = 1, **more: Any) -> None:
        content = {"service": service, "methods": {name: {} for name in methods}, "credit": credit}
        self.send(READY, {**content, **more})

    def take(self, cap: float = CAP_S) -> list[Item]:
        """The items of the next REQUEST."""
        rest = self.expect(REQUEST, cap).rest[1:]
        return [Item(*rest[start : start + 8]) for start in range(0, len(rest), 8)]

    def item(
        self, item: Item, seq: int, value: Any, *more: Any, attachments: Sequence[bytes] = ()
    ) -> None:
        """Sends items of a stream in one message, from `seq` on; the attachments are the first one's."""
        ext = {"attachments": len(attachments)} if attachments else None
        parts: list[Any] = [item.id, item.attempt, seq, value, ext]
        for offset, another in enumerate(more, 1):
            parts += (item.id, item.attempt, seq + offset, another, None)
        self.send(ITEMS, *parts, attachments=attachments)

    def reply(self, item: Item, value: Any, status: int = 0, epoch: int | None = None) -> None:
        self.send(REPLY, item.id, item.attempt, status, 1, value, None, epoch=epoch)


class Supervisor(Peer):
    """A supervisor in the test's own hands. Its token is what its workers name in READY."""

    role = "supervisor"

    def __init__(self, *args: Any, token: str = "supervisor", **options: Any) -> None:
        super().__init__(*args, token=token, **options)
        self.token = token

    def pool(self, service: str, state: str = "serving", **more: Any) -> None:
        self.send(POOL, {"service": service, "state": state, **more})

    def obituary(self, worker: Worker, **more: Any) -> None:
        self.send(OBITUARY, {"worker_epoch": worker.epoch, **more})

    def command(self, cap: float = CAP_S) -> dict[str, Any]:
        """The next COMMAND."""
        return dict(self.expect(COMMAND, cap).rest[0])

    def done(self, command: dict[str, Any], ok: bool = True, **more: Any) -> None:
        self.send(COMMAND_DONE, {"id": command["id"], "ok": ok, **more})
