"""Peers that break PROTOCOL.md: counted, logged at a limited rate, and nobody else notices."""

import random
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import (
    DRAIN,
    HELLO,
    OBITUARY,
    POOL,
    PROTOCOL_ERROR,
    READY,
    REGISTER_AGAIN,
    REPLY,
    REQUEST,
    Client,
    Peer,
    pack,
)
from e2e.zmtp import GREETING, ready, tcp_connection


def log_lines_of_peers(broker: Broker) -> list[str]:
    """What the log says about peers' mistakes; the samples of one topic."""
    return [line for line in broker.log().splitlines() if re.search(r"protocol|peer ", line)]


@contextmanager
def undisturbed(broker: Broker, client: Client) -> Iterator[None]:
    """Calls succeed before and after, in the same sessions, by the same worker; the log stays short."""
    pid = client.ok("kitchen.pid")
    begun = time.monotonic()
    yield
    assert client.ok("kitchen.pid") == pid
    assert broker.is_running()
    assert not client.others, "the client was told something"
    assert broker.counter("workers_lost") == 0
    allowed = 11 * (time.monotonic() - begun + 2)  # ten and a summary each second
    assert len(log_lines_of_peers(broker)) <= allowed


@pytest.mark.parametrize("side", ["frontend", "backend"])
def test_peers_that_choose_their_routing_ids_do_not_abort_the_broker(
    scene: Scene, side: str
) -> None:
    broker = scene.broker()
    endpoint = broker.frontend if side == "frontend" else broker.backend
    claims = [
        bytes.fromhex("006b8b4567"),  # the first one that libzmq gives without a seed
        bytes.fromhex("006b8b4568"),
        bytes.fromhex("00327b23c6"),  # the first one of its second socket
        bytes.fromhex("00327b23c7"),
        bytes(5),
        b"\x00\xff\xff\xff\xff",
        b"x" * 255,
        b"\x00",
        b"twice",
        b"twice",
    ]
    peers: list[Peer] = []
    for claim in claims:
        peer: Peer = Client(
            scene.context,
            endpoint,
            say_hello=False,
            options={zmq.ROUTING_ID: claim, zmq.SNDTIMEO: 500},
        )
        peer.hello_map["role"] = "client" if side == "frontend" else "worker"
        peers.append(peer)
        for _ in range(10):  # those that come after it get automatic ids
            peers.append(broker.client() if side == "frontend" else broker.worker())
    for claim, peer in zip(claims[:-1], peers[::11], strict=False):
        assert peer.hello()["nonce"], claim
    assert broker.client().ok("samovar.ping") == "pong"
    assert broker.is_running()


def test_random_frames_to_both_ports_are_counted_and_disturb_nobody(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with undisturbed(broker, client):
        peers = [
            Client(scene.context, endpoint, say_hello=False)
            for endpoint in (broker.frontend, broker.backend)
        ]
        for peer in peers:
            for _ in range(1000):
                frames = [
                    rng.randbytes(rng.randrange(60)) for _ in range(rng.choice((1, 1, 1, 2, 70)))
                ]
                peer.send_frames(*frames)
            for _ in range(1000):  # arrays that begin as messages do
                kind, epoch = rng.randrange(14), rng.randrange(4)
                peer.send_frames(bytes([0x94, 1, kind, epoch]) + rng.randbytes(rng.randrange(60)))
        # Some of them are no worse than of another epoch.
        wait_until(
            lambda: sum(
                broker.status()["counters"][key] for key in ("protocol_errors", "stale_epochs")
            )
            == 4000,
            "they were not counted",
        )


def test_10_000_empty_frames_to_both_ports_are_counted_and_disturb_nobody(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    with undisturbed(broker, client):
        peers = [
            Client(scene.context, endpoint, say_hello=False)
            for endpoint in (broker.frontend, broker.backend)
        ]
        for _ in range(10_000):
            for peer in peers:
                peer.send_frames(b"")
        assert broker.wait_for_counter("protocol_errors", 20_000) == 20_000


def test_malformed_messages_are_answered_at_a_limited_rate(broker: Broker) -> None:
    peer = broker.client(say_hello=False)
    begun = time.monotonic()
    for _ in range(5000):
        peer.send_frames(b"")
    broker.wait_for_counter("protocol_errors", 5000)
    seconds = time.monotonic() - begun
    answers = 0
    while (message := peer.receive(0.2)) is not None:
        assert message.kind == PROTOCOL_ERROR
        answers += 1
    assert 1 <= answers <= 100 * (seconds + 2)


def test_half_messages_over_tcp_disturb_nobody(scene: Scene) -> None:
    broker = scene.broker(transport="tcp")
    scene.pool(broker.backend)
    client = broker.client()
    hello = pack([1, HELLO, 0, {"role": "client", "nonce": 1}])
    shaken = GREETING + ready()
    halves = [
        b"",
        GREETING[:5],
        GREETING,
        GREETING + ready()[:9],
        GREETING + ready(socket_type=b"ROUTER"),
        GREETING + ready(socket_type=b"PUB"),
        shaken + b"\x00\xff" + hello[:10],  # a frame that ends early
        shaken + b"\x01\x05first",  # more frames were to come
        shaken + b"\x02" + struct.pack(">Q", 1 << 40) + b"far too much",
        shaken + b"\x02" + struct.pack(">Q", (1 << 63) + 5),
        shaken + b"\x08\x05what?",  # a flag that nobody knows
        shaken + b"\x04\x04\x03BAD",
        b"GET / HTTP/1.1\r\nHost: samovar\r\n\r\n",
        random.randbytes(200),
        shaken + bytes([0, len(hello)]) + hello + b"\x00\xff\x95",  # a session, then half a message
    ]
    with undisturbed(broker, client):
        stalled = []
        for half in halves:
            for endpoint in (broker.frontend, broker.backend):
                for keeps_open in (True, False):
                    connection = tcp_connection(endpoint)
                    try:
                        connection.sendall(half)
                    except OSError:
                        pass  # it was cut off while it spoke
                    if keeps_open:
                        stalled.append(connection)
                    else:
                        connection.close()
        assert client.ok("kitchen.add", 1) == 2
        for connection in stalled:
            connection.close()


def test_a_message_in_another_version_is_answered_with_both_versions(broker: Broker) -> None:
    for peer in (broker.client(), broker.worker()):
        peer.send_frames(pack([7, {"all": "new"}, "behind the version"]))
        (content,) = peer.expect(PROTOCOL_ERROR).rest
        assert content["got"] == 7
        assert content["speaks"] == [1]
        assert "7" in content["message"] and "1" in content["message"]
    assert broker.counter("protocol_errors") == 2


@pytest.mark.parametrize(
    "message",
    [
        [1, REQUEST],
        [1, REQUEST, 0],
        [1, "2", 0, {}],
        [1, 99, 0, {}],
        [1, HELLO, 0, {"role": "client"}],
        [1, HELLO, 0, {"role": "king", "nonce": 1}],
        [1, HELLO, 0, {"role": "worker", "nonce": 1}],
        [1, READY, 0, {"service": "x", "methods": {"y": {}}, "credit": 1}],
        [1, REQUEST, 0, 0, 1, 1, 0, 0, "samovar.ping", [], None],
        [1, REQUEST, 0, 0, 1, 0, 0, 0, "samovar.ping", [], None, None],
        [1, REQUEST, 0, 0, 1, 1, 0, 0, "samovar.ping", [], None, {"attachments": 1}],
        [1, REQUEST, 0, 0, 1, 1, 0, 0, "samovar.ping", [[[]]] * 2 + [[[[[]]]]] * 1025, None],
    ],
)
def test_a_malformed_message_is_refused_with_a_sentence(broker: Broker, message: list[Any]) -> None:
    peer = broker.client(say_hello=False)
    peer.send_frames(pack(message))
    (content,) = peer.expect(PROTOCOL_ERROR).rest
    assert len(content["message"]) > 10
    assert broker.counter("protocol_errors") == 1


def test_a_worker_that_replies_to_requests_it_never_had_changes_nothing(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    liar = broker.worker()
    liar.ready("lies", "tell")
    call = client.begin("lies.tell")
    (item,) = liar.take()  # dispatch ids rise: the next ones can be guessed
    liar.reply(item, "a fact")
    assert client.finish(call).value == "a fact"
    with undisturbed(broker, client):
        gate = scene.path("gate")
        call = client.begin("kitchen.hold", "held", str(gate))
        scene.wait_for_note("held")
        before = broker.counter("late_replies")
        for id_ in range(item.id, item.id + 50):
            liar.send(REPLY, id_, 1, 0, 1, "forged", None)
        for id_ in (0, 1, (1 << 53) - 1):
            liar.send(REPLY, id_, 1, 0, 1, "forged", None)
        liar.send(REPLY, item.id, 1, 0, 1, "twice", None)
        assert broker.wait_for_counter("late_replies", before + 54) == before + 54
        gate.touch()
        assert client.finish(call).value == "held"


def test_a_forged_obituary_buries_nobody(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    with undisturbed(broker, client):
        forger = broker.supervisor(token="forged")
        # Epochs rise: those of the pool were given shortly before.
        for epoch in range(forger.epoch - 20, forger.epoch + 5):
            forger.send(
                OBITUARY, {"worker_epoch": epoch, "signal": 9, "reason": "forged", "running": True}
            )
        forger.send(POOL, {"service": "kitchen", "state": "failed", "reason": "forged"})
        assert "another supervisor" in forger.expect(PROTOCOL_ERROR).rest[0]["message"]


def test_peers_in_the_wrong_role_are_refused(broker: Broker, pool: Program, client: Client) -> None:
    with undisturbed(broker, client):
        guest = broker.client()
        guest.send(READY, {"service": "kitchen", "methods": {"pid": {}}, "credit": 9})
        guest.expect(PROTOCOL_ERROR)
        guest.send(REPLY, 1, 1, 0, 0, None, None)
        guest.expect(PROTOCOL_ERROR)
        worker = broker.worker()
        worker.send(REQUEST, 0, 1, 1, 0, 0, "kitchen.pid", [], None, None)
        worker.expect(PROTOCOL_ERROR)
        worker.send(REPLY, 1, 1, 0, 0, None, None, epoch=worker.epoch + 1)
        worker.expect(REGISTER_AGAIN)
        worker.ready("samovar", "ping")
        worker.expect(PROTOCOL_ERROR)
        supervisor = broker.supervisor(token="t")
        supervisor.send(DRAIN, {})
        supervisor.expect(PROTOCOL_ERROR)
        assert guest.ok("samovar.ping") == "pong"
