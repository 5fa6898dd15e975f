"""A broker for tests: a ROUTER driven by the test's own thread, which waits on conditions with a cap.

It greets whoever says HELLO, answers DRAIN with DRAINED, and keeps everything else for the test to look at.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import zmq

from samovar import wire
from samovar.bundles import REPLY_HEAD, REPLY_ITEM, decode_replies
from samovar.host import clock_name

CAP_S = 20.0
_epochs = itertools.count(time.time_ns() // 1000)


@dataclass
class Peer:
    """A connection: what its HELLO and READY said, and its other messages."""

    identity: bytes
    epoch: int
    hello: dict[str, Any]
    ready: dict[str, Any] | None = None
    pools: list[dict[str, Any]] = field(default_factory=list)
    obituaries: list[dict[str, Any]] = field(default_factory=list)
    drains: int = 0
    brokers: int = 1  # that the worker serves, as it has said last
    answers: list[dict[str, Any]] = field(default_factory=list)  # to commands

    @property
    def role(self) -> str:
        return str(self.hello["role"])


@dataclass
class Reply:
    id: int
    attempt: int
    status: int
    run_us: int
    value: Any
    ext: dict[str, Any] | None
    message: int  # which of the broker's messages held it
    attachments: list[bytes] = field(default_factory=list)


@dataclass
class Item:
    """One item of a stream."""

    value: Any
    attachments: list[bytes]
    message: int


class FakeBroker:
    live: "list[FakeBroker]" = []  # those that are open

    def __init__(self, endpoint: str, max_body: int = 1 << 20, clock: str | None = None) -> None:
        self.endpoint = endpoint
        self.max_body = max_body
        self.clock = clock_name() if clock is None else clock
        self.answer_drain = True
        self.peers: dict[bytes, Peer] = {}
        self.replies: dict[int, Reply] = {}
        self.items: dict[int, list[Item]] = {}
        self.hellos = 0
        self.messages = 0
        self.stale = 0  # messages of another epoch
        self._ids = itertools.count(1)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.bind()
        FakeBroker.live.append(self)

    def bind(self) -> None:
        """Opens the endpoint; also after unbind(), as a broker that was started anew."""
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.connections = 0
        self.socket.bind(self.endpoint)
        self.peers.clear()

    def unbind(self) -> None:
        """As if the broker's process had ended; nothing is pumped until bind()."""
        if not self.socket.closed:
            self.socket.disable_monitor()
            self._monitor.close(linger=0)
            self.socket.close(linger=0)

    def close(self) -> None:
        FakeBroker.live.remove(self)
        self.unbind()
        self._context.term()

    # --- receiving -------------------------------------------------------------------------------------

    def wait_for_connections(self, count: int) -> None:
        """Waits until so many peers have connected since bind(), whether or not they have said anything."""
        while self.connections < count:
            assert self._monitor.poll(int(CAP_S * 1000)), f"waited in vain for {count} connections"
            self._monitor.recv_multipart()
            self.connections += 1

    def wait(self, condition: Callable[[], Any], what: str, cap: float = CAP_S) -> Any:
        """Handles messages, of all brokers, until `condition` holds, and returns what it returned."""
        end = time.monotonic() + cap
        while not (found := condition()):
            left = end - time.monotonic()
            assert left > 0, f"waited {cap} s in vain for: {what}"
            others = [each for each in FakeBroker.live if each is not self]
            for other in others:
                other.pump(0)
            self.pump(min(left, 0.005 if others else 0.05))
        return found

    def pump(self, seconds: float) -> None:
        """Handles the messages that are there; waits so long for a first one."""
        if self.socket.closed or not self.socket.poll(int(seconds * 1000)):
            return
        while self.socket.poll(0):
            identity, frame, *attachments = self.socket.recv_multipart()
            self._handle(identity, frame, attachments)

    def _handle(self, identity: bytes, frame: bytes, attachments: list[bytes]) -> None:
        message = wire.decode(frame)
        kind, epoch = message[1], message[2]
        self.messages += 1
        if kind == wire.HELLO:
            self._greet(identity, message[3])
            return
        peer = self.peers.get(identity)
        if peer is None or peer.epoch != epoch:
            self.stale += 1
            self.register_again(identity)
        elif kind == wire.READY:
            assert peer.ready is None, "READY came twice in one session"
            peer.ready = message[3]
            peer.brokers = message[3].get("brokers", 1)
        elif kind == wire.BROKERS:
            assert peer.ready is not None, "BROKERS came before READY"
            assert (
                message[3]["brokers"] != peer.brokers
            ), "BROKERS came although nothing has changed"
            peer.brokers = message[3]["brokers"]
        elif kind == wire.COMMAND_DONE:
            peer.answers.append(message[3])
        elif kind == wire.POOL:
            peer.pools.append(message[3])
        elif kind == wire.OBITUARY:
            peer.obituaries.append(message[3])
            dead = message[3]["worker_epoch"]
            self.peers = {key: other for key, other in self.peers.items() if other.epoch != dead}
        elif kind == wire.DRAIN:
            peer.drains += 1
            if self.answer_drain:
                self.send(identity, [1, wire.DRAINED, epoch, {}])
        elif kind == wire.ITEMS:
            self._take_items(message[3:], attachments)
        else:
            self._take_replies(decode_replies(frame, len(attachments)), attachments)

    def _greet(self, identity: bytes, hello: dict[str, Any]) -> None:
        self.hellos += 1
        peer = Peer(identity, next(_epochs), hello)
        self.peers[identity] = peer
        content = {
            "nonce": hello["nonce"],
            "software": "fake",
            "broker": "b",
            "clock": self.clock,
            "max_body": self.max_body,
            "max_bundle": 1024,
            "heartbeat_ms": 2000,
            "default_timeout_us": 30_000_000,
            "max_timeout_us": 86_400_000_000,
        }
        self.send(identity, [1, wire.HELLO, peer.epoch, content])

    def _take_items(self, flat: list[Any], attachments: list[bytes]) -> None:
        assert flat and len(flat) % 5 == 0
        for start in range(0, len(flat), 5):
            id_, attempt, seq, value, ext = flat[start : start + 5]
            items = self.items.setdefault(id_, [])
            assert seq == len(items), f"item {seq} of request {id_} came after {len(items)} others"
            assert id_ not in self.replies, "an item after the end of its stream"
            buffers = [attachments.pop(0) for _ in range((ext or {}).get("attachments", 0))]
            items.append(Item(value, buffers, message=self.messages))
        assert not attachments

    def _take_replies(self, message: list[Any], attachments: list[bytes]) -> None:
        for start in range(REPLY_HEAD, len(message), REPLY_ITEM):
            reply = Reply(*message[start : start + REPLY_ITEM], message=self.messages)
            assert reply.id not in self.replies, f"request {reply.id} was answered twice"
            for _ in range((reply.ext or {}).get("attachments", 0)):
                reply.attachments.append(attachments.pop(0))
            self.replies[reply.id] = reply

    # --- sending ---------------------------------------------------------------------------------------

    def send(self, identity: bytes, message: Any, *attachments: bytes) -> None:
        self.send_raw(identity, msgpack.packb(message, datetime=True), *attachments)

    def send_raw(self, identity: bytes, *frames: bytes) -> None:
        try:
            self.socket.send_multipart([identity, *frames])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:  # a peer may have gone meanwhile
                raise

    def register_again(self, identity: bytes) -> None:
        self.send(identity, [1, wire.REGISTER_AGAIN, 0, {"reason": "the test asks for it"}])

    def item(
        self,
        method: str,
        *args: Any,
        kwargs: Any = None,
        timeout_us: int = 30_000_000,
        ext: Any = None,
        flags: int = 0,
    ) -> list[Any]:
        return [next(self._ids), 1, flags, timeout_us, method, list(args), kwargs, ext]

    def stream(
        self, worker: Peer, method: str, *args: Any, window: int = 16, **options: Any
    ) -> int:
        """Sends a request for a stream; returns its id."""
        item = self.item(method, *args, ext={"window": window}, flags=wire.FLAG_STREAM, **options)
        return self.dispatch(worker, item)[0]

    def widen(self, worker: Peer, id_: int, window: int) -> None:
        self.send(worker.identity, [1, wire.WINDOW, worker.epoch, id_, window])

    def command(self, supervisor: Peer, id_: int, name: str, *args: Any) -> dict[str, Any]:
        """Sends a COMMAND; waits for its answer."""
        content = {"id": id_, "command": name, "args": list(args)}
        self.send(supervisor.identity, [1, wire.COMMAND, supervisor.epoch, content])
        self.wait(lambda: supervisor.answers, f"an answer to {name}")
        return supervisor.answers.pop(0)

    def cancel(self, worker: Peer, *ids: int) -> None:
        self.send(worker.identity, [1, wire.CANCEL, worker.epoch, *ids])

    def values(self, id_: int, count: int) -> list[Any]:
        """Waits for so many items of a stream; returns all that came."""
        self.wait(lambda: len(self.items.get(id_, ())) >= count, f"{count} items of {id_}")
        return [item.value for item in self.items[id_]]

    def reply(self, id_: int) -> "Reply":
        """Waits for one reply."""
        self.wait(lambda: id_ in self.replies, f"the reply to {id_}")
        return self.replies[id_]

    def dispatch(
        self,
        worker: Peer,
        *items: list[Any],
        sent_us: int | None = None,
        attachments: Any = (),
    ) -> list[int]:
        """Sends one bundle; returns the ids."""
        now = time.monotonic_ns() // 1000 if sent_us is None else sent_us
        flat = [element for item in items for element in item]
        self.send(worker.identity, [1, wire.REQUEST, worker.epoch, now, *flat], *attachments)
        return [item[0] for item in items]

    def call(self, worker: Peer, *items: list[Any], **options: Any) -> list[Reply]:
        """Sends one bundle, and waits for all of its replies."""
        ids = self.dispatch(worker, *items, **options)
        self.wait(
            lambda: all(id_ in self.replies for id_ in ids),
            f"replies to {items!r:.200}",
        )
        return [self.replies[id_] for id_ in ids]

    # --- peers -----------------------------------------------------------------------------------------

    def ready_workers(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer.ready is not None]

    def worker(self, not_pid: int | None = None) -> Peer:
        """Waits for a worker that has said READY."""

        def found() -> list[Peer]:
            return [peer for peer in self.ready_workers() if peer.hello["pid"] != not_pid]

        peers: list[Peer] = self.wait(found, "a worker's READY")
        return peers[-1]

    def supervisor(self) -> Peer:
        def found() -> list[Peer]:
            return [peer for peer in self.peers.values() if peer.role == "supervisor"]

        peers: list[Peer] = self.wait(found, "a supervisor's HELLO")
        return peers[-1]

    def wait_for_pool(self, **wanted: Any) -> dict[str, Any]:
        """Waits until a supervisor's last POOL has these values."""

        def found() -> dict[str, Any] | None:
            for peer in self.peers.values():
                if peer.pools and wanted.items() <= peer.pools[-1].items():
                    return peer.pools[-1]
            return None

        pool: dict[str, Any] = self.wait(found, f"POOL with {wanted}")
        return pool

    def obituary(self) -> dict[str, Any]:
        """Waits for the next obituary, and takes it."""

        def found() -> list[dict[str, Any]]:
            return next((peer.obituaries for peer in self.peers.values() if peer.obituaries), [])

        obituaries: list[dict[str, Any]] = self.wait(found, "an obituary")
        return obituaries.pop(0)
