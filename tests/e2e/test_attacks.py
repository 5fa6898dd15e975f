"""What somebody would try who means harm, beyond broken messages (test_hostile.py) and keys (test_security.py)."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from e2e.keys import Keys
from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import CAP_S, HELLO, PROTOCOL_ERROR, READY, REGISTER_AGAIN, REQUEST, Client, pack
from e2e.zmtp import tcp_connection


class Tap:
    """Between one client and the broker: hands everything on, and keeps what the client has said."""

    def __init__(self, endpoint: str) -> None:
        self.said = b""
        self._target = endpoint
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.broker = tcp_connection(self._target)
        for end in (client, self.broker):
            end.settimeout(None)
        self._sockets += [client, self.broker]
        for source, sink, kept in ((client, self.broker, True), (self.broker, client, False)):
            self._threads.append(threading.Thread(target=self._pump, args=(source, sink, kept)))
            self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, kept: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                self.said += data if kept else b""
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def is_over(self) -> bool:
        """Whether both ends have closed."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(CAP_S)
        for each in (*self._sockets, self._listener):
            each.close()


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_what_was_recorded_of_an_encrypted_connection_cannot_be_said_again(
    keys: Keys, cleanup: ExitStack
) -> None:
    """Neither on another connection nor on the same: it would run a call a second time."""
    broker = keys.broker()
    broker.pool()
    tap = Tap(broker.program.frontend)
    cleanup.callback(tap.close)
    client = Client(keys.scene.context, tap.endpoint, options=keys.options("billing"))
    before = len(tap.said)
    client.ok("kitchen.record", "once")
    assert b"once" not in tap.said and b"kitchen" not in tap.said
    with tcp_connection(broker.program.frontend) as again:
        again.sendall(tap.said)
        again.settimeout(CAP_S)
        while again.recv(1 << 16):  # until it is closed
            pass
    tap.broker.sendall(tap.said[before:])
    wait_until(tap.is_over, "the connection on which something is repeated is not closed")
    assert broker.client("billing").ok("kitchen.add", 1) == 2
    assert keys.scene.notes() == ["once"]
    client.close()


def test_a_flood_of_handshakes_does_not_stop_the_calls_of_others(
    keys: Keys, cleanup: ExitStack
) -> None:
    broker = keys.broker()
    broker.pool()
    client = broker.client("billing")
    client.ok("kitchen.add", 1)
    strangers = []
    for _ in range(100):
        strangers.append(broker.client("stranger", say_hello=False))
        client.ok("kitchen.add", 1)
    half_open = [cleanup.enter_context(tcp_connection(broker.program.frontend)) for _ in range(300)]
    for connection in half_open:
        connection.sendall(b"\xff")
        client.ok("kitchen.add", 1)
    assert broker.counter("workers_lost") == 0
    for stranger in strangers:
        stranger.close()


EVIL = "evil\n2026-01-01 00:00:00.000 samovard info: all is well\x1b[2J\x9b31m\r\x00"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_names_with_control_characters_make_no_lines_of_their_own(
    scene: Scene, log_format: str
) -> None:
    broker = scene.broker("--log-format", log_format)
    broker.client(name=EVIL).ok("samovar.ping")
    worker = broker.worker(name=EVIL)
    worker.send(READY, {"service": "tea", "methods": {"pour": {}}, "name": EVIL, "credit": 1})
    wait_until(lambda: broker.lines("is ready for service"), "it is not ready")
    worker.close()
    wait_until(lambda: broker.lines("is gone"), "it is not gone")
    lines = broker.log().splitlines()
    assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line) for line in lines)
    assert not any(line.startswith("2026-01-01") for line in lines)
    for command in (("status",), ("services",)):
        shown = scene.samovar(broker, *command)
        assert shown.returncode == 0, shown
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown.stdout)


def test_a_message_of_very_many_frames_costs_little_and_is_refused(
    broker: Broker, client: Client
) -> None:
    client.send_frames(*[b"x"] * 50_000)
    assert client.expect(PROTOCOL_ERROR).rest
    client.send_frames(pack([1, REQUEST, client.epoch, 0]), *[b""] * 50_000)
    assert client.expect(PROTOCOL_ERROR).rest
    assert client.ok("samovar.ping") == "pong"
    assert broker.is_running()


def test_a_bundle_of_too_many_requests_is_refused_as_a_whole(
    pool: Program, broker: Broker, client: Client
) -> None:
    items: list[Any] = []
    for number in range(1, 2001):
        items += [number, 1, 0, 1_000_000, "kitchen.record", ["bomb"], {}, None]
    client.send(REQUEST, 0, *items)
    [error] = client.expect(PROTOCOL_ERROR).rest
    assert "1,024" in error["message"]
    assert client.ok("kitchen.add", 1) == 2
    assert pool.is_running() and broker.counter("dispatched") == 1


@pytest.mark.parametrize("distance", [-1, 1, 1 << 32])
def test_a_guessed_epoch_gives_nothing(
    pool: Program, broker: Broker, client: Client, scene: Scene, distance: int
) -> None:
    """Epochs follow one another: to know one is to know others', which are of other connections."""
    stranger = broker.client(say_hello=False)
    item = [1, 1, 0, 1_000_000, "kitchen.record", ["forged"], {}, None]
    stranger.send(REQUEST, 0, *item, epoch=client.epoch)
    assert stranger.expect(REGISTER_AGAIN)
    other = broker.client()
    other.send(REQUEST, 0, *item, epoch=other.epoch + distance)
    assert other.expect(REGISTER_AGAIN)
    assert client.ok("kitchen.add", 1) == 2
    assert scene.notes() == []


def test_hello_again_and_again_is_one_peer(broker: Broker, client: Client) -> None:
    hasty = broker.client()
    for nonce in range(1, 2000):
        hasty.send(HELLO, {"role": "client", "nonce": nonce}, epoch=0)
    hasty.hello()
    assert broker.status()["clients"] <= 3
    assert client.ok("samovar.ping") == "pong"
