"""How many connections there may be: beyond that new ones are closed at once, and nobody else notices."""

import resource
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.processes import Broker, Scene, wait_until
from e2e.raw import CAP_S, HELLO, REPLY, REQUEST, pack, unpack
from e2e.zmtp import GREETING, frame, is_closed, ready, tcp_connection


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def open_connections(stack: ExitStack, endpoint: str, count: int) -> list[socket.socket]:
    return [stack.enter_context(tcp_connection(endpoint)) for _ in range(count)]


def closed(connections: list[socket.socket]) -> int:
    return sum(is_closed(each) for each in connections)


def connections(broker: Broker) -> int:
    return int(broker.status()["broker"]["connections"])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_connections_are_counted(scene: Scene, sockets: ExitStack) -> None:
    broker = scene.broker(transport="tcp")
    assert connections(broker) == 1  # the one that asks
    held = open_connections(sockets, broker.frontend, 5)
    wait_until(lambda: connections(broker) == 6, "five more")
    for each in held:
        each.close()
    wait_until(lambda: connections(broker) == 1, "five fewer")


def test_beyond_max_connections_new_ones_are_closed_until_some_have_left(
    scene: Scene, sockets: ExitStack
) -> None:
    broker = scene.broker(transport="tcp", config="[limits]\nmax_connections = 20\n")
    client = broker.client()
    assert connections(broker) == 2
    held = open_connections(sockets, broker.frontend, 30)
    wait_until(lambda: broker.counter("refused_connections") == 12, "twelve are refused")
    assert closed(held) == 12
    [line, *_] = broker.lines("connections are open")
    assert "20 connections are open" in line and "max_connections" in line
    client.ok("samovar.ping")  # those that are there go on
    for each in held:
        each.close()
    wait_until(lambda: connections(broker) == 2, "all have left")
    assert broker.client().ok("samovar.ping") is not None


def test_one_address_may_have_so_many_connections(scene: Scene, sockets: ExitStack) -> None:
    broker = scene.broker(transport="tcp", config="[limits]\nmax_connections_per_address = 5\n")
    broker.status()
    held = open_connections(sockets, broker.frontend, 10)
    wait_until(lambda: closed(held) == 6, "six are closed")
    [line, *_] = broker.lines("refused a connection")
    assert "from 127.0.0.1: it has 5 (max_connections_per_address)" in line
    host, port = broker.frontend.removeprefix("tcp://").rsplit(":", 1)
    other = socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0))
    sockets.enter_context(other)
    other.sendall(GREETING)
    assert other.recv(1) == b"\xff"
    assert broker.counter("refused_connections") == 6


def test_when_descriptors_run_out_it_neither_spins_nor_ends_and_takes_new_ones_later(
    scene: Scene, sockets: ExitStack
) -> None:
    broker = scene.broker(transport="tcp", prefix=["prlimit", "--nofile=200"])
    scene.pool(broker.backend)
    client = broker.client()
    flood = open_connections(sockets, broker.frontend, 1000)
    wait_until(lambda: closed(flood) > 800, "most are closed at once")
    # Nothing comes in meanwhile but this call.
    before = cpu_seconds(broker.pid)
    client.ok("kitchen.nap", 0.5)
    assert cpu_seconds(broker.pid) - before < 0.25, "it spins"
    # Clients leave room for workers.
    scene.pool(broker.backend)
    for each in flood:
        each.close()
    wait_until(lambda: connections(broker) < 10, "all have left")
    assert broker.client().ok("kitchen.add", 1) == 2
    assert 1 <= len(broker.lines("connections are open")) <= 3


def test_a_connection_that_says_nothing_is_closed(scene: Scene, sockets: ExitStack) -> None:
    """One that says a byte a second: test_faults.py."""
    broker = scene.broker(transport="tcp")
    broker.status()
    [silent] = open_connections(sockets, broker.frontend, 1)
    wait_until(lambda: is_closed(silent), "it is kept")
    wait_until(lambda: connections(broker) == 1, "it is counted still")


@pytest.mark.parametrize("most", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_clients_are_served_at_the_same_time(
    scene: Scene, sockets: ExitStack, most: int
) -> None:
    """As many as the limit of descriptors allows on both sides. They answer no heartbeats: 15 s are all that they have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # conftest.py has raised ours to it
    count = min(most, int(0.85 * hard) - 200)
    broker = scene.broker(transport="tcp")
    scene.pool(broker.backend)
    hello = frame(pack([1, HELLO, 0, {"role": "client", "nonce": 1}]))
    crowd: list[socket.socket] = []
    while len(crowd) < count:
        # No more at once than wait to be accepted.
        batch = open_connections(sockets, broker.frontend, min(500, count - len(crowd)))
        for each in batch:
            each.sendall(GREETING + ready())
        for each in batch:
            shake_hands(each)
            each.sendall(hello)
        crowd += batch
    epochs = [message[2] for message in messages(crowd, HELLO)]
    assert len(set(epochs)) == count
    assert connections(broker) >= count
    for number, (each, epoch) in enumerate(zip(crowd, epochs)):
        request = [number, 1, 0, 10_000_000, "kitchen.add", [number], {}, None]
        each.sendall(frame(pack([1, REQUEST, epoch, 0, *request])))
    replies = messages(crowd, REPLY)
    assert [message[3] for message in replies] == list(range(count))
    assert [message[7] for message in replies] == [number + 1 for number in range(count)]
    assert broker.counter("refused_connections") == 0


def messages(crowd: list[socket.socket], kind: int) -> list[list[object]]:
    """The next message of each, which must be of this kind; others' words before it are ZMTP's own."""
    found: dict[int, list[object]] = {}
    end = time.monotonic() + 4 * CAP_S
    with selectors.DefaultSelector() as selector:
        unread = {}
        for number, each in enumerate(crowd):
            each.setblocking(False)
            selector.register(each, selectors.EVENT_READ, number)
            unread[number] = b""
        while len(found) < len(crowd):
            assert time.monotonic() < end, f"only {len(found)} of {len(crowd)} were answered"
            for key, _ in selector.select(1):
                number = key.data
                data = key.fileobj.recv(4096)  # type: ignore[union-attr]
                assert data, f"connection {number} was closed after {unread[number]!r}"
                unread[number] += data
                for body in frames(unread[number]):
                    message = unpack(body)
                    assert message[1] == kind
                    found[number] = message
                    selector.unregister(key.fileobj)
    return [found[number] for number in range(len(crowd))]


def shake_hands(connection: socket.socket) -> None:
    """Reads the other side's greeting and its READY: before that has come, no message may be sent."""
    head = len(GREETING) + 2
    said = connection.recv(head, socket.MSG_WAITALL)
    connection.recv(said[-1], socket.MSG_WAITALL)


def frames(data: bytes) -> list[bytes]:
    """The bodies of the messages of one frame that are whole; commands are left out."""
    position, found = 0, []
    while position + 2 <= len(data):
        flags = data[position]
        if flags & 2:
            if position + 9 > len(data):
                break
            (size,) = struct.unpack_from(">Q", data, position + 1)
            begin = position + 9
        else:
            size, begin = data[position + 1], position + 2
        if begin + size > len(data):
            break
        if not flags & 4:
            found.append(data[begin : begin + size])
        position = begin + size
    return found
