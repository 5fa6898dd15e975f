"""CPU time per call of the Python worker, by size of bundle. Run by hand:

    build/venv/bin/python tests/bench/worker_cpu.py [--quick] [--brokers N]

The handlers look a key up in a dict and return a map of about 100 bytes: `shared` the table's own (others
hold it), `fresh` one made for the call, `number` an int, `echo` its argument, `nested` a map with a list in it.

- *executor*: unpack a REQUEST, run its items, encode the replies; no sockets.
- *loop*: the whole Worker, this process's main thread, against a ROUTER in a child process, over ipc, with one or
  eight messages outstanding. `thread` is the CPU time of the worker's thread, `process` adds libzmq's I/O thread.
  With `--brokers N` there are so many ROUTERs, which send by turns.

Each figure is the least of several repeats, in microseconds of CPU, not of wall time. On a busy machine caches are
cold, and every figure grows by up to a half: compare two versions in alternating runs (PYTHONPATH chooses one).
"""

import argparse
import itertools
import multiprocessing
import sys
import tempfile
import time
from typing import Any

import msgpack

from samovar import Service, wire
from samovar.board import Slot
from samovar.executor import Executor
from samovar.host import clock_name

BUNDLES = (1, 8, 32, 128)
ROW = {
    "country": "China",
    "code": "CN",
    "continent": "AS",
    "latitude": 35.0,
    "longitude": 105.0,
    "asn": 4134,
    "org": "ChinaNet",
}
TABLE = {f"1.0.{n}.0": {**ROW, "asn": 4134 + n} for n in range(256)}

service = Service("s")


@service.method
def shared(ip: str) -> dict[str, Any]:
    return TABLE[ip]


@service.method
def fresh(ip: str) -> dict[str, Any]:
    row = TABLE[ip]
    return {**row}


@service.method
def number(ip: str) -> Any:
    return TABLE[ip]["asn"]


@service.method
def echo(ip: str) -> Any:
    return ip


@service.method
def nested(ip: str) -> dict[str, Any]:
    return {"ip": ip, "at": [35.0, 105.0]}


@service.method
def cpu() -> list[int]:
    """How much CPU this worker has used: its thread, the whole process."""
    return [time.thread_time_ns(), time.process_time_ns()]


def request(epoch: int, method: str, items: int) -> bytes:
    flat: list[Any] = []
    for n in range(items):
        flat += [1_000_000 + n, 1, 0, 30_000_000, f"s.{method}", [f"1.0.{n}.0"], None, None]
    if method in ("cpu", "stop"):
        flat[5::8] = [[]] * items
    frame: bytes = msgpack.packb([1, wire.REQUEST, epoch, time.monotonic_ns() // 1000, *flat])
    return frame


def executor_cpu(method: str, items: int, calls: int, repeats: int) -> float:
    sent: list[Any] = []
    executor = Executor(service, "s", Slot().sessions[0], lambda frames: sent.append(frames))
    frame = request(5_000_000_001, method, items)
    messages = max(1, calls // items)
    best = float("inf")
    for _ in range(repeats):
        begin = time.thread_time_ns()
        for _ in range(messages):
            message = wire.unpack(frame)
            now = time.monotonic_ns()
            executor.run(message, now, now, [])
            sent.clear()
        best = min(best, (time.thread_time_ns() - begin) / (messages * items) / 1000)
    return best


class Driver:
    """The ROUTERs, in a process of their own."""

    EPOCH = 5_000_000_001

    def __init__(self, endpoints: list[str]) -> None:
        import zmq  # after the fork

        context: zmq.Context[Any] = zmq.Context()
        self.sockets = [context.socket(zmq.ROUTER) for _ in endpoints]
        self.poller = zmq.Poller()
        for socket, endpoint in zip(self.sockets, endpoints):
            socket.bind(endpoint)
            self.poller.register(socket, zmq.POLLIN)
        self.turns = itertools.cycle(range(len(endpoints)))
        self.waiting: list[bytes] = []
        self.identities = [self._greet(socket) for socket in self.sockets]

    def _greet(self, socket: Any) -> bytes:
        identity: bytes
        identity, frame = socket.recv_multipart()
        hello = msgpack.unpackb(frame)[3]
        answer = {
            "nonce": hello["nonce"],
            "clock": clock_name(),
            "max_body": 1 << 27,
            "max_bundle": 1024,
            "heartbeat_ms": 2000,
            "default_timeout_us": 30_000_000,
            "max_timeout_us": 86_400_000_000,
        }
        socket.send_multipart([identity, msgpack.packb([1, wire.HELLO, self.EPOCH, answer])])
        assert msgpack.unpackb(socket.recv_multipart()[1])[1] == wire.READY
        return identity

    def send(self, frame: bytes, number: int | None = None) -> None:
        number = next(self.turns) if number is None else number
        self.sockets[number].send_multipart([self.identities[number], frame])

    def receive_frame(self) -> bytes:
        """The next message of the worker, to whichever of them; not what it says of their number."""
        while not self.waiting:
            for socket, _ in self.poller.poll():
                frame = socket.recv_multipart()[1]
                if wire.kind_of(frame) != wire.BROKERS:
                    self.waiting.append(frame)
        return self.waiting.pop(0)

    def receive(self) -> list[Any]:
        message: list[Any] = msgpack.unpackb(self.receive_frame())
        return message

    def cpu(self) -> tuple[int, int]:
        self.send(request(self.EPOCH, "cpu", 1))
        [thread, process] = self.receive()[7]
        return thread, process

    def exchange(self, frame: bytes, items: int, messages: int, outstanding: int) -> None:
        """Sends `messages` of them; a message may be answered by several."""
        for _ in range(outstanding):
            self.send(frame)
        sent, items_left = outstanding, messages * items
        answered = 0
        while items_left:
            reply = self.receive_frame()
            got = (_array_length(reply) - 3) // 6
            items_left -= got
            answered += got
            while answered >= items:
                answered -= items
                if sent < messages:
                    sent += 1
                    self.send(frame)

    def run(self, method: str, items: int, outstanding: int, calls: int, repeats: int) -> Any:
        messages = max(outstanding, min(300, calls // items))
        best = [float("inf"), float("inf")]
        for _ in range(repeats):
            frame = request(self.EPOCH, method, items)
            before = self.cpu()
            self.exchange(frame, items, messages, outstanding)
            after = self.cpu()
            for index in range(2):
                used = (after[index] - before[index]) / (messages * items) / 1000
                best[index] = min(best[index], used)
        return best

    def end(self) -> None:
        """Lets the worker drain and return."""
        self.send(request(self.EPOCH, "stop", 1))
        for _ in self.sockets:
            while self.receive()[1] != wire.DRAIN:
                pass
        for number in range(len(self.sockets)):
            self.send(msgpack.packb([1, wire.DRAINED, self.EPOCH, {}]), number)


def _array_length(frame: bytes) -> int:
    if frame[0] == 0xDC:
        return int.from_bytes(frame[1:3], "big")
    return frame[0] & 15


def drive(endpoints: list[str], calls: int, repeats: int) -> None:
    driver = Driver(endpoints)
    for outstanding, method in itertools.product((1, 8), ("shared", "fresh", "number")):
        row = [driver.run(method, items, outstanding, calls, repeats) for items in BUNDLES]
        for name, index in (("thread", 0), ("process", 1)):
            figures = "".join(f"{figure[index]:9.2f}" for figure in row)
            print(f"loop, {outstanding} outst., {name:8}{method:9}{figures}", flush=True)
    driver.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls and repeats")
    parser.add_argument("--only", choices=("executor", "loop"), help="one half of it")
    parser.add_argument("--brokers", type=int, default=1, help="how many the worker serves")
    options = parser.parse_args()
    calls, repeats = (2_000, 10) if options.quick else (2_000, 40)
    print(f"{'us of CPU per call, bundles of':31}" + "".join(f"{n:9}" for n in BUNDLES))
    if options.only != "loop":
        for method in ("shared", "fresh", "number", "echo", "nested"):
            row = [executor_cpu(method, items, calls, repeats) for items in BUNDLES]
            print(f"{'executor':22}{method:9}" + "".join(f"{figure:9.2f}" for figure in row))
    if options.only == "executor":
        return 0
    with tempfile.TemporaryDirectory() as directory:
        endpoints = [f"ipc://{directory}/backend-{n}" for n in range(options.brokers)]
        child = multiprocessing.get_context("fork").Process(
            target=drive, args=(endpoints, calls, repeats)
        )
        sys.stdout.flush()
        child.start()
        from samovar.links import WorkerOptions  # after the fork
        from samovar.runner import Worker

        @service.method
        def stop() -> None:
            worker.request_stop()

        brokers = list(enumerate(endpoints, 1))
        worker = Worker(service, WorkerOptions("s", "bench", 256), Slot(), brokers)
        worker.run()
        child.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
