"""The worker of bench_layouts, and with --codec a benchmark of the codecs alone.

Every serve_* function takes the frames of one request message, runs its calls, and returns the
frames of the reply message. layouts.cpp describes the layouts.
"""

import argparse
import itertools
import random
import statistics
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack
import zmq

Frames = tuple[bytes, ...]
Serve = Callable[..., Frames]

VERSION, REQUEST, REPLY, EPOCH = 1, 2, 3, 7
OK, APP_ERROR = 0, 1
IDLE_MS = 5_000  # a worker whose client has died ends by itself

unpack = msgpack.unpackb
# packb() makes a Packer, and with it a buffer of 1 MiB, on every call: reuse one instead.
pack = msgpack.Packer().pack

PREFIX = struct.Struct("<BBxxIQ")  # version, kind, count, epoch
ROW = struct.Struct("<QQIBBxx")  # id, timeout_us or run_us, size, attempt, flags or status


def country(address: str) -> dict[str, Any]:
    return {
        "address": address,
        "country": "AU",
        "name": "Australia",
        "continent": "OC",
        "registry": "apnic",
        "asn": 13335,
        "accurate": 0.98,
    }


METHODS: dict[str | bytes, Callable[..., Any]] = {
    "ipgeo.country": country,
    b"ipgeo.country": country,
}
clock = time.perf_counter_ns


def call(method: str | bytes, args: list[Any], kwargs: dict[str, Any] | None) -> tuple[int, Any]:
    try:
        function = METHODS[method]
        return OK, function(*args, **kwargs) if kwargs else function(*args)
    except Exception as error:
        return APP_ERROR, {"message": str(error)}


def array_of(parts: list[bytes]) -> bytes:
    """One msgpack array of elements that are packed already; parts[0] is left for its header."""
    parts[0] = b"\xdd" + (len(parts) - 1).to_bytes(4, "big")
    return b"".join(parts)


def serve_flat(frame: bytes) -> Frames:
    items = iter(unpack(frame))
    _version, _kind, epoch = next(items), next(items), next(items)
    reply: list[Any] = [VERSION, REPLY, epoch]
    started = clock()
    for call_id, attempt, _flags, _timeout, method, args, kwargs, _ext in zip(*[items] * 8):
        status, value = call(method, args, kwargs)
        ended = clock()
        reply += (call_id, attempt, status, (ended - started) // 1000, value, None)
        started = ended
    return (pack(reply),)


def serve_nested(frame: bytes) -> Frames:
    _version, _kind, epoch, items = unpack(frame)
    replies: list[Any] = []
    started = clock()
    for call_id, attempt, _flags, _timeout, method, args, kwargs, _ext in items:
        status, value = call(method, args, kwargs)
        ended = clock()
        replies.append((call_id, attempt, status, (ended - started) // 1000, value, None))
        started = ended
    return (pack((VERSION, REPLY, epoch, replies)),)


def serve_wrapped(frame: bytes) -> Frames:
    items = iter(unpack(frame))
    _version, _kind, epoch = next(items), next(items), next(items)
    reply: list[Any] = [VERSION, REPLY, epoch]
    started = clock()
    for call_id, attempt, _flags, _timeout, method, body, _ext in zip(*[items] * 7):
        args, kwargs = unpack(body)
        status, value = call(method, args, kwargs)
        ended = clock()
        reply += (call_id, attempt, status, (ended - started) // 1000, pack(value), None)
        started = ended
    return (pack(reply),)


def serve_head(head: bytes, body: bytes) -> Frames:
    rows = iter(unpack(head))
    bodies = iter(unpack(body))
    _version, _kind, epoch = next(rows), next(rows), next(rows)
    reply: list[Any] = [VERSION, REPLY, epoch]
    values = [b""]
    started = clock()
    for (call_id, attempt, _flags, _timeout, method, _ext, _size), args, kwargs in zip(
        zip(*[rows] * 7), bodies, bodies
    ):
        status, value = call(method, args, kwargs)
        ended = clock()
        value = pack(value)
        values.append(value)
        reply += (call_id, attempt, status, (ended - started) // 1000, None, len(value))
        started = ended
    return pack(reply), array_of(values)


def serve_method(head: bytes, methods: bytes, body: bytes) -> Frames:
    _version, _kind, count, epoch = PREFIX.unpack_from(head)
    bodies = iter(unpack(body))
    reply: list[bytes] = [PREFIX.pack(VERSION, REPLY, count, epoch)]
    values = [b""]
    started = clock()
    for (call_id, _timeout, _size, attempt, _flags), method, args, kwargs, _ext in zip(
        ROW.iter_unpack(head[PREFIX.size :]), methods.split(b"\n"), bodies, bodies, bodies
    ):
        status, value = call(method, args, kwargs)
        ended = clock()
        value = pack(value)
        values += (value, b"\xc0")
        reply.append(ROW.pack(call_id, (ended - started) // 1000, len(value) + 1, attempt, status))
        started = ended
    return b"".join(reply), array_of(values)


def receive_1(recv: Callable[..., bytes]) -> Frames:
    return (recv(zmq.NOBLOCK),)


def receive_2(recv: Callable[..., bytes]) -> Frames:
    return recv(zmq.NOBLOCK), recv()


def receive_3(recv: Callable[..., bytes]) -> Frames:
    return recv(zmq.NOBLOCK), recv(), recv()


def send_1(send: Callable[..., Any], frame: bytes) -> None:
    send(frame)


def send_2(send: Callable[..., Any], head: bytes, body: bytes) -> None:
    send(head, zmq.SNDMORE)
    send(body)


LAYOUTS: dict[int, tuple[Callable[..., Frames], Serve, Callable[..., None]]] = {
    1: (receive_1, serve_flat, send_1),
    2: (receive_2, serve_head, send_2),
    3: (receive_3, serve_method, send_2),
}


def run_tuned(socket: zmq.Socket[bytes], layout: int) -> None:
    receive, serve, send = LAYOUTS[layout]
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    while True:
        try:
            frames = receive(socket.recv)
        except zmq.Again:
            if not poller.poll(IDLE_MS):
                return
            continue
        send(socket.send, *serve(*frames))


def run_plain(socket: zmq.Socket[bytes], layout: int) -> None:
    _, serve, _ = LAYOUTS[layout]
    socket.setsockopt(zmq.RCVTIMEO, IDLE_MS)
    while True:
        try:
            frames = socket.recv_multipart()
        except zmq.Again:
            return
        socket.send_multipart(serve(*frames))


def run_worker(endpoint: str, layout: int, style: str) -> None:
    socket = zmq.Context().socket(zmq.DEALER)
    socket.set_hwm(0)
    socket.linger = 0
    socket.connect(endpoint)
    socket.send(b"")  # tells the forwarder this worker's routing id, and the client to begin
    {"tuned": run_tuned, "plain": run_plain}[style](socket, layout)


def request_frames(serve: Serve, count: int) -> Frames:
    """A request of `count` calls, in the layout that `serve` reads."""
    args, kwargs, ext, method = ["1.0.1.0"], None, None, "ipgeo.country"
    body = pack((args, kwargs))
    fixed = [(1_000_000 + i, 1, 0, 5_000_000, method) for i in range(count)]
    prefix = (VERSION, REQUEST, EPOCH)
    flatten = itertools.chain.from_iterable
    if serve is serve_flat:
        return (pack([*prefix, *flatten((*f, args, kwargs, ext) for f in fixed)]),)
    if serve is serve_nested:
        return (pack([*prefix, [(*f, args, kwargs, ext) for f in fixed]]),)
    if serve is serve_wrapped:
        return (pack([*prefix, *flatten((*f, body, ext) for f in fixed)]),)
    if serve is serve_head:
        return (
            pack([*prefix, *flatten((*f, ext, len(body) - 1) for f in fixed)]),
            pack([args, kwargs] * count),
        )
    table = (
        ROW.pack(call_id, timeout, len(body), attempt, flags)
        for call_id, attempt, flags, timeout, _ in fixed
    )
    return (
        PREFIX.pack(VERSION, REQUEST, count, EPOCH) + b"".join(table),
        b"\n".join([method.encode()] * count),
        pack([args, kwargs, ext] * count),
    )


def run_codec(repeats: int, seconds: float) -> None:
    names: dict[Serve, str] = {
        serve_flat: "flat items in one array (layout 1)",
        serve_nested: "nested items in one array",
        serve_wrapped: "flat items, bodies wrapped as bin",
        serve_head: "msgpack head + bodies (layout 2)",
        serve_method: "binary head + methods + bodies (layout 3)",
    }
    bundles = (1, 8, 32, 128)
    cells = [(serve, count) for serve in names for count in bundles]
    figures: dict[tuple[Serve, int], list[float]] = {cell: [] for cell in cells}
    rng = random.Random(1)
    for _ in range(repeats):
        rng.shuffle(cells)
        for serve, count in cells:
            frames = request_frames(serve, count)
            rounds, started = 0, time.process_time_ns()
            while (passed := time.process_time_ns() - started) < seconds * 1e9:
                for _ in range(128 // count):
                    serve(*frames)
                rounds += 128
            figures[serve, count].append(passed / rounds / 1000)
    print("| decode + call + encode | " + " | ".join(map(str, bundles)) + " |")
    print("|---|" + "---|" * len(bundles))
    for serve, name in names.items():
        row = (figures[serve, count] for count in bundles)
        texts = (f"{statistics.median(f):.2f} ({min(f):.2f}-{max(f):.2f})" for f in row)
        print(f"| {name} | " + " | ".join(texts) + " |")
    print(
        f"\nus/call of CPU time for bundles of that many calls, median (min-max) of {repeats} x"
        f" {seconds} s, interleaved; a value has {len(pack(country('1.0.1.0')))} bytes."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--codec", action="store_true", help="measure the codecs without sockets")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--endpoint")
    parser.add_argument("--layout", type=int, choices=LAYOUTS)
    parser.add_argument("--style", choices=("tuned", "plain"))
    options = parser.parse_args()
    if options.codec:
        run_codec(options.repeats, options.seconds)
    elif options.endpoint and options.layout and options.style:
        run_worker(options.endpoint, options.layout, options.style)
    else:
        parser.error("give --codec, or --endpoint, --layout and --style")


if __name__ == "__main__":
    main()
