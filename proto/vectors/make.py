#!/usr/bin/python3
"""Writes the golden vectors beside it: `/usr/bin/python3 proto/vectors/make.py [--check]`.

It packs with Python's msgpack and with bytes written by hand, never with a codec of Samovar. --check writes
nothing and fails if a file is not what it would write. The format of the files is in README.md.
"""

import json
import math
import struct
import sys
from pathlib import Path

import msgpack

HERE = Path(__file__).parent
EPOCH = 5_000_000_001
BOOT = "2f1c8f0e-6d2f-4b7e-9a53-0c7f3a1e9b44"
MAX_PREFIX = 2**53 - 1


class As:
    """`value`, in the encoding given in hex."""

    def __init__(self, encoding, value=None):
        self.encoding = bytes.fromhex(encoding)
        self.value = value


class Pairs:
    """A map whose keys are not all str, or stand twice."""

    def __init__(self, *pairs):
        self.pairs = pairs


def header(value, short, wide):
    size = len(value.pairs if isinstance(value, Pairs) else value)
    if size <= 15:
        return bytes([short | size])
    return struct.pack(">BH", wide, size) if size <= 0xFFFF else struct.pack(">BI", wide + 1, size)


def pack(value):
    if isinstance(value, As):
        return value.encoding
    if isinstance(value, list):
        return header(value, 0x90, 0xDC) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return header(value, 0x80, 0xDE) + b"".join(pack(k) + pack(v) for k, v in value.items())
    if isinstance(value, Pairs):
        return header(value, 0x80, 0xDE) + b"".join(pack(k) + pack(v) for k, v in value.pairs)
    return msgpack.packb(value, use_bin_type=True)


def plain(value):
    """What JSON has for it, see README.md."""
    if isinstance(value, As):
        return plain(value.value)
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, msgpack.Timestamp):
        return {"$time": f"{value.seconds}.{value.nanoseconds:09}"}
    if isinstance(value, msgpack.ExtType):
        return {"$ext": {"type": value.code, "data": value.data.hex()}}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_PREFIX:
        return {"$int": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}  # inf, -inf or nan
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, Pairs):
        return {"$map": [[plain(k), plain(v)] for k, v in value.pairs]}
    return value


# --- the parts of messages --------------------------------------------------------------------------------

KINDS = {
    "hello": 1,
    "broker_hello": 1,
    "request": 2,
    "reply": 3,
    "cancel": 4,
    "ready": 5,
    "register_again": 6,
    "drain": 7,
    "drained": 8,
    "pool": 9,
    "obituary": 10,
    "probe": 11,
    "protocol_error": 12,
    "items": 13,
    "window": 14,
    "command": 15,
    "command_done": 16,
    "brokers": 17,
}


def item(
    id=1,
    method="ipgeo.country",
    args=None,
    kwargs=None,
    ext=None,
    attempt=1,
    flags=0,
    timeout_us=30_000_000,
    **remarks,
):
    """A request item. Remarks (wrong, wrong_for_worker) are for JSON only."""
    return {
        "id": id,
        "attempt": attempt,
        "flags": flags,
        "timeout_us": timeout_us,
        "method": method,
        "args": ["1.0.1.0"] if args is None else args,
        "kwargs": kwargs,
        "ext": ext,
        **remarks,
    }


def answer(id=1, value=None, status=0, ext=None, attempt=1, run_us=12, means=None):
    """A reply item. `means`: the status that a receiver makes of it, where it is another one."""
    return {
        "id": id,
        "attempt": attempt,
        "status": status,
        "run_us": run_us,
        "value": value,
        "ext": ext,
        "means": means,
    }


def part(id=1, seq=0, value=None, ext=None, attempt=1):
    """An item of a stream."""
    return {"id": id, "attempt": attempt, "seq": seq, "value": value, "ext": ext}


REQUEST_FIELDS = ("id", "attempt", "flags", "timeout_us", "method", "args", "kwargs", "ext")
REPLY_FIELDS = ("id", "attempt", "status", "run_us", "value", "ext")
STREAM_FIELDS = ("id", "attempt", "seq", "value", "ext")


def flat(items, fields):
    return [i[field] for i in items for field in fields]


def request(name, *items, epoch=EPOCH, sent_us=0, attachments=0, array=None):
    elements = [1, 2, epoch, sent_us, *flat(items, REQUEST_FIELDS)]
    remarks = ("wrong", "wrong_for_worker")
    return {
        "name": name,
        "valid": True,
        "kind": "request",
        "attachments": attachments,
        "hex": message(elements, array),
        "decoded": {
            "epoch": plain(epoch),
            "sent_us": plain(sent_us),
            "items": [
                {k: plain(v) for k, v in i.items() if k in REQUEST_FIELDS or k in remarks}
                for i in items
            ],
        },
    }


def reply(name, *items, epoch=EPOCH, attachments=0, array=None):
    elements = [1, 3, epoch, *flat(items, REPLY_FIELDS)]
    decoded = [{k: plain(v) for k, v in i.items() if k in REPLY_FIELDS} for i in items]
    for seen, sent in zip(decoded, items):
        if sent["means"] is not None:
            seen["status"] = sent["means"]
    return {
        "name": name,
        "valid": True,
        "kind": "reply",
        "attachments": attachments,
        "hex": message(elements, array),
        "decoded": {"epoch": plain(epoch), "items": decoded},
    }


def stream(name, *items, epoch=EPOCH, attachments=0, array=None):
    elements = [1, 13, epoch, *flat(items, STREAM_FIELDS)]
    return {
        "name": name,
        "valid": True,
        "kind": "items",
        "attachments": attachments,
        "hex": message(elements, array),
        "decoded": {"epoch": plain(epoch), "items": [plain(i) for i in items]},
    }


def window(name, *pairs, epoch=EPOCH, array=None):
    numbers = [number for pair in pairs for number in pair]
    return {
        "name": name,
        "valid": True,
        "kind": "window",
        "attachments": 0,
        "hex": message([1, 14, epoch, *numbers], array),
        "decoded": {
            "epoch": plain(epoch),
            "windows": [[plain(id), plain(items)] for id, items in pairs],
        },
    }


def cancel(name, *ids, epoch=EPOCH):
    return {
        "name": name,
        "valid": True,
        "kind": "cancel",
        "attachments": 0,
        "hex": message([1, 4, epoch, *ids]),
        "decoded": {"epoch": plain(epoch), "ids": plain(list(ids))},
    }


def control(name, kind, map, epoch=EPOCH, seen=None):
    """`seen`: the map that a reader must see, where it is not the one that was sent."""
    return {
        "name": name,
        "valid": True,
        "kind": kind,
        "attachments": 0,
        "hex": message([1, KINDS[kind], epoch, map]),
        "decoded": {"epoch": plain(epoch), "map": plain(map if seen is None else seen)},
    }


def message(elements, array=None):
    if array is None:
        return pack(elements).hex()
    assert array in (0xDC, 0xDD)
    head = struct.pack(">BH" if array == 0xDC else ">BI", array, len(elements))
    return (head + b"".join(map(pack, elements))).hex()


def bad(name, kind, why, frame, attachments=0, **more):
    return {
        "name": name,
        "valid": False,
        "kind": kind,
        "attachments": attachments,
        "hex": frame if isinstance(frame, str) else message(frame),
        "why": why,
        **more,
    }


def nested(levels, core=None):
    """`levels` arrays, one in the other."""
    value = core
    for i in range(levels):
        value = [] if i == 0 and core is None else [value]
    return value


# Tables: laid out by hand.
# fmt: off

# --- hello.json -------------------------------------------------------------------------------------------

CLIENT_HELLO = {"role": "client", "nonce": 7_261_554, "name": "demo", "pid": 4711, "clock": BOOT}
BROKER_HELLO = {"nonce": 7_261_554, "software": "samovard 0.1.0", "broker": "b-2f9c", "clock": BOOT,
                "max_body": 134_217_728, "max_bundle": 1024, "heartbeat_ms": 2000,
                "default_timeout_us": 30_000_000, "max_timeout_us": 86_400_000_000}


def hello():
    return [
        control("a client says hello", "hello", CLIENT_HELLO, epoch=0),
        control("a worker says hello with the least that it may say", "hello", {"role": "worker", "nonce": 0}, epoch=0),
        control("a supervisor names its token", "hello",
                {"role": "supervisor", "nonce": MAX_PREFIX, "pid": 99, "token": "t-81d3"}, epoch=0),
        control("a nonce may take more bytes than it needs", "hello",
                {"role": "client", "nonce": As("cf0000000000000007", 7)}, epoch=0),
        control("a nonce may be of a signed type", "hello", {"role": "client", "nonce": As("d3000000000000012c", 300)},
                epoch=0),
        control("a map and its strs may be of any width", "hello",
                As("df00000002 db00000004726f6c65 d906636c69656e74 da00056e6f6e6365 09",
                   {"role": "client", "nonce": 9}), epoch=0),
        control("unknown keys of a hello are ignored", "hello",
                {"role": "client", "nonce": 1, "colour": "red", "deep": [{"a": [1, 2]}, None]}, epoch=0),
        control("keys that are not str are unknown too", "hello",
                Pairs(("role", "client"), (5, "five"), ("nonce", 1), (None, 2)), epoch=0,
                seen={"role": "client", "nonce": 1}),
        control("a key whose value is nil counts as absent", "hello",
                {"role": "client", "nonce": 1, "name": None, "pid": None}, epoch=0,
                seen={"role": "client", "nonce": 1}),
        control("the last of two equal keys counts", "hello",
                Pairs(("role", "worker"), ("nonce", 1), ("role", "client")), epoch=0,
                seen={"role": "client", "nonce": 1}),
        control("text beyond ASCII is UTF-8", "hello", {"role": "client", "nonce": 1, "name": "Größe 茶"}, epoch=0),
        control("an epoch in a peer's hello is not looked at", "hello", {"role": "client", "nonce": 2}, epoch=77),
        control("the broker answers a hello", "broker_hello", BROKER_HELLO),
        control("the broker says the least that it may say", "broker_hello",
                {"nonce": 0, "max_body": 1, "max_bundle": 1, "heartbeat_ms": 1, "default_timeout_us": 1,
                 "max_timeout_us": 1}, epoch=1),
        control("a key of the broker's hello whose value is nil counts as absent", "broker_hello",
                {**BROKER_HELLO, "clock": None, "software": None},
                seen={k: v for k, v in BROKER_HELLO.items() if k not in ("clock", "software")}),
        control("unknown keys of the broker's hello are ignored", "broker_hello",
                {**BROKER_HELLO, "compression": ["zstd"]}, epoch=MAX_PREFIX),
    ]


# --- requests.json ----------------------------------------------------------------------------------------

def time(seconds, nanoseconds=0):
    return msgpack.Timestamp(seconds, nanoseconds)


# PROTOCOL.md 4.8: its elements are in that attachment of its item.
def array(attachment, dtype, *shape):
    return msgpack.ExtType(1, msgpack.packb([attachment, dtype, list(shape)]))


def requests():
    return [
        request("one request", item(id=7)),
        request("a bundle of two",
                item(id=8, attempt=2, flags=1, timeout_us=250_000, args=["8.8.8.8"]),
                item(id=9, method="segment.cut", args=["茶"], kwargs={"hmm": True}), sent_us=81_234_567),
        request("a bundle of three services",
                item(id=1, method="a.b", args=[]), item(id=2, method="c.d.e", args=[1]),
                item(id=3, method="f-g.h_i", args=[1, 2])),
        request("a bundle of 128 needs a wide array",
                *[item(id=1000 + n, args=[f"1.0.{n}.0"]) for n in range(128)], sent_us=1),
        request("the service ends at the last dot", item(method="org.example.ipgeo.country")),
        request("no arguments at all", item(args=[], kwargs=None, ext=None)),
        request("empty maps for kwargs and ext", item(args=[], kwargs={}, ext={})),
        request("keyword arguments", item(args=[], kwargs={"ip": "1.0.1.0", "deep": {"a": [1, {"b": None}]}})),
        request("the message's array may be of 16 bits", item(id=1), array=0xDC),
        request("the message's array may be of 32 bits", item(id=1), array=0xDD),
        request("integers of the prefix may take more bytes than they need",
                item(id=As("cf0000000000000001", 1), attempt=As("cc01", 1), flags=As("cd0001", 1),
                     timeout_us=As("ce000003e8", 1000)), epoch=As("cf0000000000000005", 5),
                sent_us=As("ce00000000", 0)),
        request("integers of the prefix may be of a signed type",
                item(id=As("d07f", 127), attempt=As("d10002", 2), flags=As("d200000003", 3),
                     timeout_us=As("d300000000000f4240", 1_000_000))),
        request("version and kind may take more bytes than they need",
                item(id=1)) | {"hex": "9ccf0000000000000001d20000000205" + message([0, *flat([item(id=1)],
                                      REQUEST_FIELDS)], None)[2:],
                               "decoded": {"epoch": 5, "sent_us": 0, "items": [plain(item(id=1))]}},
        request("wide encodings of method, args, kwargs and ext",
                item(method=As("db00000003612e62", "a.b"), args=As("dd00000002dc000101c0", [[1], None]),
                     kwargs=As("df00000001da00016bd90176", {"k": "v"}), ext=As("de0000", {}))),
        request("the greatest numbers of the prefix",
                item(id=MAX_PREFIX, attempt=255, flags=0xFFFFFFFF, timeout_us=MAX_PREFIX), epoch=MAX_PREFIX,
                sent_us=MAX_PREFIX),
        request("the least numbers of the prefix", item(id=0, attempt=1, flags=0, timeout_us=0), epoch=1, sent_us=0),
        request("unknown flags are ignored", item(flags=0b11111101)),
        request("integers of a body have 64 bits",
                item(args=[2**64 - 1, -(2**63), 2**63, 2**53, -(2**53), 2**53 - 1, 0, -1, -32, -33, 127, 128, 65535,
                           2**32])),
        request("integers of a body may take more bytes than they need",
                item(args=[As("cf0000000000000001", 1), As("d3ffffffffffffffff", -1), As("d1ff80", -128),
                           As("cd007f", 127)])),
        request("floats of 64 and of 32 bits", item(args=[1.5, -0.25, 1e300, As("ca3fc00000", 1.5), As("ca00000000", 0.0)])),
        request("floats that are no numbers",
                item(args=[As("cb7ff0000000000000", math.inf), As("cbfff0000000000000", -math.inf),
                           As("cb7ff8000000000000", math.nan)])),
        request("nil, true and false", item(args=[None, True, False, [None], {"a": None}])),
        request("text and bytes are kept apart",
                item(args=["abc", b"abc", "", b"", b"\x00\xff\xc1", "nul \x00 inside"])),
        request("text of every width",
                item(args=["x" * 31, "y" * 32, "z" * 255, "w" * 256, As("da0001" + "61", "a"), As("db00000001" + "62", "b")])),
        request("bytes of every width",
                item(args=[b"\x01" * 255, b"\x02" * 256, As("c5000103", b"\x03"), As("c60000000104", b"\x04")])),
        request("arrays and maps of more than 15",
                item(args=[list(range(16)), {f"k{n:02}": n for n in range(16)}])),
        request("timestamps of 32, 64 and 96 bits",
                item(args=[time(0), time(1_700_000_000), time(1_700_000_000, 123_456_789), time(2**34),
                           time(-1, 999_999_999), time(253_402_300_799)])),
        request("a timestamp of 8 bytes that needs only 4",
                item(args=[As("d7ff0000000000000001", time(1)), As("c708ff0000000000000002", time(2)),
                           As("c70cff000000000000000000000003", time(3))])),
        request("extension types of the application are handed on",
                item(args=[msgpack.ExtType(5, b"\x01"), msgpack.ExtType(42, b"\x00" * 16), msgpack.ExtType(1, b"abc"),
                           msgpack.ExtType(127, b"\xaa"), As("c70005", msgpack.ExtType(5, b""))])),
        request("keys of maps in a body may be of any scalar type",
                item(args=[Pairs((1, "one"), (-1, "minus one"), (True, "true"), (None, "nil"), (1.5, "float"),
                                 (b"k", "bytes"), ("k", "text"))])),
        request("64 levels of nesting, the message's array included", item(args=nested(63))),
        request("64 levels of nesting in kwargs", item(args=[], kwargs={"deep": nested(62)})),
        request("known extensions",
                item(ext={"priority": 0, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "affinity": b"user-17", "schema": MAX_PREFIX}),
                item(id=2, ext={"priority": 1}), item(id=3, ext={"priority": As("cd0002", 2)})),
        request("unknown extensions are ignored and handed on",
                item(ext={"colour": "red", "deep": {"a": [1, {"b": b"c"}]}, "nothing": None})),
        request("extensions whose value is nil count as absent", item(ext={"priority": None, "attachments": None})),
        request("two attachments of one request", item(args=[], ext={"attachments": 2}), attachments=2),
        request("attachments are counted item by item",
                item(id=1, ext={"attachments": 1}), item(id=2), item(id=3, ext={"attachments": 2, "priority": 2}),
                item(id=4, ext={"attachments": 0}), attachments=3),
        request("arrays: an argument, one in a keyword argument, one of two arguments of the next",
                item(id=1, args=[array(0, "<f4", 2, 3)], kwargs={"mask": [array(1, "|b1", 6)]}, ext={"attachments": 2}),
                item(id=2, args=[2, array(0, "<f8")], ext={"attachments": 1}), attachments=3),
        request("64 attachments of one request", item(ext={"attachments": 64}), attachments=64),
        request("an item with a method that is no name is refused alone",
                item(id=1, method="nodot", wrong=True), item(id=2), item(id=3, method=".country", wrong=True),
                item(id=4, method="ipgeo.", wrong=True), item(id=5, method="", wrong=True),
                item(id=6, method="ipgeo.coun try", wrong=True), item(id=7, method="ipgeo.größe", wrong=True)),
        request("a method name of 255 bytes", item(method="s." + "m" * 253)),
        request("a method name of 256 bytes is refused alone", item(method="s." + "m" * 254, wrong=True), item(id=2)),
        request("a method that is not a str is refused alone",
                item(id=1, method=5, wrong=True), item(id=2, method=b"ipgeo.country", wrong=True),
                item(id=3, method=["a.b"], wrong=True), item(id=4, method=None, wrong=True), item(id=5)),
        request("args that are no array are refused alone",
                item(id=1, args={"a": 1}, wrong=True), item(id=2, args=As("c0"), wrong=True), item(id=3),
                item(id=4, args="1.0.1.0", wrong=True)),
        request("kwargs that are neither map nor nil are refused alone",
                item(id=1, kwargs=[], wrong=True), item(id=2, kwargs=False, wrong=True), item(id=3)),
        request("an ext that is neither map nor nil is refused alone",
                item(id=1, ext=[1], wrong=True), item(id=2, ext=0, wrong=True), item(id=3)),
        request("a key of ext that is not str is refused alone",
                item(id=1, ext=Pairs((1, 2), ("attachments", 1)), wrong=True), item(id=2), attachments=1),
        request("an unknown priority is refused alone",
                item(id=1, ext={"priority": 3}, wrong=True), item(id=2, ext={"priority": -1}, wrong=True),
                item(id=3, ext={"priority": "high"}, wrong=True), item(id=4, ext={"priority": 2**64 - 1}, wrong=True),
                item(id=5, ext={"priority": 1.0}, wrong=True), item(id=6, ext={"priority": True}, wrong=True), item(id=7)),
        request("the last of two equal keys of ext counts",
                item(id=1, ext=Pairs(("attachments", "1"), ("attachments", 65), ("attachments", 1))),
                item(id=2, ext=Pairs(("priority", 9), ("priority", 0))),
                item(id=3, ext=Pairs(("priority", 0), ("priority", 9)), wrong=True), attachments=1),
        request("an ext that a worker cannot decode keeps its attachments",
                item(id=1, ext={"attachments": 1, "colour": As("a1ff", {"$badstr": "ff"})}, wrong_for_worker=True),
                item(id=2, ext={"attachments": 1}), attachments=2),
        request("nanoseconds of a timestamp beyond a second count on",
                item(args=[As("d7fffffffffc00000005", {"$time": "6.073741823"}),
                           As("c70cffee6b28000000000000000005", {"$time": "9.000000000"})])),
        request("a wrong item keeps its attachments",
                item(id=1, args=5, ext={"attachments": 1, "priority": 9}, wrong=True),
                item(id=2, ext={"attachments": 1}), attachments=2),
        request("keys of kwargs that are not str are refused alone, by the worker",
                item(id=1, kwargs=Pairs((1, 2)), wrong_for_worker=True), item(id=2)),
        request("a str that is not UTF-8 is refused alone, by the worker",
                item(id=1, args=[As("a2c328", {"$badstr": "c328"})], wrong_for_worker=True), item(id=2)),
        request("a map as a key is refused alone, by the worker",
                item(id=1, args=[Pairs(({"a": 1}, 2))], wrong_for_worker=True), item(id=2)),
        request("a timestamp of 5 bytes is refused alone, by the worker",
                item(id=1, args=[As("c705ff0000000001", {"$ext": {"type": -1, "data": "0000000001"}})],
                     wrong_for_worker=True), item(id=2)),
    ]


# --- replies.json -----------------------------------------------------------------------------------------

TRACEBACK = '  File "ipgeo.py", line 12, in country\nValueError: not an address\n'
ERRORS = [
    (1, "app_error", {"message": "not an address", "where": "worker", "type": "ValueError", "traceback": TRACEBACK}, 12),
    (2, "bad_request", {"message": "ipgeo has no method 'land'; it has country", "where": "worker"}, 0),
    (3, "no_service", {"message": "no worker provides 'ipgoe'", "where": "broker"}, 0),
    (4, "unavailable", {"message": "no worker of ipgeo came within 1 s", "where": "queued"}, 0),
    (5, "overloaded", {"message": "ipgeo has 1,000,000 requests queued", "where": "broker", "retry_after_us": 250_000}, 0),
    (6, "deadline_exceeded", {"message": "the time of 50 ms was up", "where": "running"}, 0),
    (7, "worker_lost", {"message": "the worker of ipgeo was killed by SIGSEGV", "where": "worker", "pid": 4711, "signal": 11,
                        "stderr": "Fatal Python error: Segmentation fault\n"}, 0),
    (8, "cancelled", {"message": "the caller cancelled", "where": "queued"}, 0),
    (9, "too_large", {"message": "the result has 200 MB, 128 MiB are allowed", "where": "worker"}, 900_000),
    (10, "unauthorized", {"message": "a supervisor carries no requests", "where": "broker"}, 0),
    (11, "protocol_error", {"message": "the message is not one msgpack array", "where": "broker"}, 0),
    (12, "broker_lost", {"message": "the broker went away", "where": "client"}, 0),
    (13, "internal", {"message": "a defect", "where": "broker"}, 0),
]


def replies():
    return [
        reply("a result", answer(id=7, value="CN")),
        *[reply(f"the error {word}", answer(id=7, status=status, value=value, run_us=run_us))
          for status, word, value, run_us in ERRORS],
        reply("a worker that exited by itself",
              answer(status=7, value={"message": "the worker exited with code 3", "pid": 4711, "exit_code": 3}, run_us=0)),
        reply("an error with the least that it may say", answer(status=13, value={"message": ""})),
        reply("unknown keys of an error are ignored",
              answer(status=1, value={"message": "m", "notes": ["a", {"b": 1}], "type": "E"})),
        reply("a status that is not known is internal",
              answer(id=1, status=15, value={"message": "from the future"}, means=13),
              answer(id=2, status=255, value={"message": "from the future"}, means=13),
              answer(id=3, status=MAX_PREFIX, value={"message": "from the future"}, means=13),
              answer(id=4, value=1)),
        reply("results of every type",
              answer(id=1, value=None), answer(id=2, value=True), answer(id=3, value=2**64 - 1),
              answer(id=4, value=-(2**63)), answer(id=5, value=1.5), answer(id=6, value=b"\x00\xff"),
              answer(id=7, value="茶"), answer(id=8, value=[1, [2, []]]), answer(id=9, value={"a": {"b": None}}),
              answer(id=10, value=time(1_700_000_000, 5)), answer(id=11, value=Pairs((1, "CN"), (2, "US"))),
              answer(id=12, value=msgpack.ExtType(9, b"abcd"))),
        reply("a bundle of 128", *[answer(id=1000 + n, value="AU", run_us=n) for n in range(128)]),
        reply("a bundle of a result and an error, in another order than the requests",
              answer(id=9, value=["茶"], run_us=700),
              answer(id=8, attempt=2, status=6, value={"message": "the time of 250 ms was up", "where": "queued"}, run_us=0)),
        reply("metadata",
              answer(ext={"queued_us": 1500, "worker": "ipgeo-2", "host": "unknown key"})),
        reply("an ext that is an empty map", answer(ext={})),
        reply("priority is an unknown key in a reply", answer(ext={"priority": 9})),
        reply("attachments are counted item by item",
              answer(id=1, value={"shape": [2, 3]}, ext={"attachments": 1}), answer(id=2, value=1),
              answer(id=3, ext={"attachments": 2}), attachments=3),
        reply("arrays, one among other values, their elements in two attachments",
              answer(id=1, value=array(0, "<f4", 2, 3), ext={"attachments": 1}),
              answer(id=2, value={"mask": array(0, "|b1")}, ext={"attachments": 1}), attachments=2),
        reply("the greatest numbers of the prefix",
              answer(id=MAX_PREFIX, attempt=255, run_us=MAX_PREFIX), epoch=MAX_PREFIX),
        reply("wide encodings",
              answer(id=As("cf0000000000000001", 1), attempt=As("d00a", 10), status=As("cd0001", 1),
                     run_us=As("d30000000000000000", 0), value=As("df00000001d9076d657373616765da000178", {"message": "x"}),
                     ext=As("de0000", {})), array=0xDD),
        reply("64 levels of nesting, the message's array included", answer(value=nested(63))),
    ]


# --- streams.json -----------------------------------------------------------------------------------------

def streams():
    return [
        stream("the first item of a stream", part(id=7, value="CN")),
        stream("items of two streams, one after another",
               part(id=7, seq=16, value=1), part(id=7, seq=17, value=None), part(id=9, attempt=2, value=[1, {"a": b"\x00"}]),
               part(id=7, seq=18, value=Pairs((1, "a"), (2, "b")))),
        stream("a bundle of 128 items", *[part(id=7, seq=n, value=n) for n in range(128)]),
        stream("items with attachments", part(seq=0, value={"shape": [2]}, ext={"attachments": 1}), part(seq=1, value=1),
               part(seq=2, ext={"attachments": 2}), attachments=3),
        stream("items that are arrays", part(seq=0, value=array(0, "<i8", 4), ext={"attachments": 1}),
               part(seq=1, value=[array(0, ">u2", 0, 5), array(1, "<c16", 1)], ext={"attachments": 2}), attachments=3),
        stream("an item whose ext is an empty map, or has unknown keys", part(ext={}), part(seq=1, ext={"new": [1]})),
        stream("an item with the greatest numbers of the prefix", part(id=MAX_PREFIX, attempt=255, seq=MAX_PREFIX),
               epoch=MAX_PREFIX),
        stream("an item in wide encodings",
               part(id=As("cf0000000000000001", 1), attempt=As("d00a", 10), seq=As("d30000000000000002", 2),
                    value=As("da000178", "x"), ext=As("de0000", {})), array=0xDD),
        stream("64 levels of nesting in an item, the message's array included", part(value=nested(63))),
        window("a window", (7, 32)),
        window("windows of three streams, one of them 0", (7, 32), (8, 0), (MAX_PREFIX, MAX_PREFIX)),
        window("a window in wide encodings", (As("cd0007", 7), As("cf0000000000000020", 32)), array=0xDC),
        window("1,024 windows", *[(n, 16) for n in range(1024)]),
    ]


# --- control.json -----------------------------------------------------------------------------------------

READY = {"service": "ipgeo", "methods": {"country": {"idempotent": True}, "reload": {}}, "credit": 16, "pid": 4711,
         "name": "ipgeo-1", "supervisor": "t-81d3"}
ALL_OF_READY = {**READY, "concurrency": 8, "generation": 3, "brokers": 3, "uid": MAX_PREFIX,
                "methods": {"country": {"idempotent": True, "pure": True, "timeout_us": 250_000,
                                        "hard_timeout_us": 2_000_000, "priority": 0},
                            "scan": {"stream": True, "cancel": True}}}
SCHEMA = {"samovar_schema": 1, "service": "ipgeo", "hash": MAX_PREFIX, "$defs": {},
          "methods": {"country": {"parameters": [{"name": "ip", "schema": {"type": "string"}, "required": True}],
                                  "result": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}
POOL_DETAIL = {"generation": 3, "spares": 1, "workers": [{"name": "segment-1", "pid": 4711, "shared_kb": 410_000}]}
OBITUARY = {"worker_epoch": EPOCH, "pid": 4711, "signal": 9, "reason": "the worker was killed by SIGKILL",
            "stderr": "loading\n", "last_started": 42, "running": True}


def controls():
    return [
        cancel("cancel of one request", 7),
        cancel("cancel of three requests", 7, As("cd0008", 8), MAX_PREFIX),
        cancel("cancel of none"),
        cancel("cancel of 1,024 requests", *range(1024)),
        control("a worker is ready", "ready", READY),
        control("a worker says the least that it may say", "ready", {"service": "a", "methods": {"b": {}}, "credit": 1}),
        control("the greatest credit", "ready", {"service": "a.b-c_D", "methods": {"x": {"idempotent": False}}, "credit": 256}),
        control("unknown keys of ready and of its methods are ignored", "ready",
                {"service": "a", "methods": {"b": {"idempotent": True, "doc": "text", "cost": {"us": 5}}}, "credit": 2,
                 "zygote": True}),
        control("a worker says all that it may say", "ready", ALL_OF_READY),
        control("a worker announces its service's schema", "ready", {**READY, "schema": SCHEMA}),
        control("the least and the greatest that methods may say", "ready",
                {"service": "a", "methods": {"b": {"pure": False, "priority": 2, "timeout_us": MAX_PREFIX, "hard_timeout_us": 0},
                                             "c": {"priority": 1, "timeout_us": 0}},
                 "credit": 1, "concurrency": 256, "generation": MAX_PREFIX}),
        control("what a method says nil of counts as absent", "ready",
                {"service": "a", "methods": {"b": {"pure": None, "priority": None, "timeout_us": None}}, "credit": 1,
                 "concurrency": None},
                seen={"service": "a", "methods": {"b": {}}, "credit": 1}),
        control("a worker serves the greatest number of brokers", "ready",
                {"service": "a", "methods": {"b": {}}, "credit": 1, "brokers": 16, "uid": 0}),
        control("a worker serves one broker more", "brokers", {"brokers": 2}),
        control("a worker serves one broker only", "brokers", {"brokers": 1, "since": "unknown key"}),
        control("register again", "register_again", {"reason": "the broker does not know this connection"}, epoch=0),
        control("register again without a reason", "register_again", {}, epoch=0),
        control("a worker drains", "drain", {}),
        control("the broker drains", "drain", {"reason": "SIGTERM", "grace_ms": 10_000}),
        control("the broker drains and waits for an answer", "drain", {"reason": "SIGTERM", "answer": True}),
        control("drained", "drained", {}),
        *[control(f"a pool is {state}", "pool", {"service": "segment", "state": state, "wanted": 4, "alive": alive,
                                                 "restarts": 2})
          for state, alive in (("loading", 0), ("serving", 4), ("stopping", 1))],
        control("a pool has failed", "pool", {"service": "segment", "state": "failed", "restarts": 5,
                                              "reason": "ModuleNotFoundError: No module named 'jieba'"}),
        control("a pool says the least that it may say", "pool", {"service": "s", "state": "loading"}),
        control("a pool in detail", "pool", {"service": "segment", "state": "serving", "detail": POOL_DETAIL}),
        control("the detail of a pool may be anything", "pool", {"service": "s", "state": "loading", "detail": [1, b"x", "y"]}),
        control("an obituary", "obituary", OBITUARY),
        control("an obituary of a worker that its supervisor killed", "obituary",
                {**OBITUARY, "reason": "it ran past its hard limit", "stack": 'File "ipgeo.py", line 12 in country'}),
        control("an obituary of a worker that took too much memory", "obituary", {**OBITUARY, "out_of_memory": True}),
        control("a pool is to reload", "command", {"id": 7, "command": "reload"}),
        control("a pool is to have eight workers", "command", {"id": 8, "command": "scale", "args": [8]}),
        control("unknown keys of a command are ignored", "command", {"id": 9, "command": "dance", "args": [], "tempo": 120}),
        control("a command was carried out", "command_done",
                {"id": 7, "ok": True, "message": "generation 3 serves", "result": {"generation": 3, "load_ms": 1634}}),
        control("a command failed", "command_done", {"id": 8, "ok": False, "message": "no such command: dance"}),
        control("a command is done with the least that may be said", "command_done", {"id": 0, "ok": True}),
        control("an obituary without a board", "obituary", {"worker_epoch": 3, "pid": 12, "exit_code": 1,
                                                            "reason": "the worker exited with code 1"}),
        control("an obituary of a worker that began nothing", "obituary",
                {"worker_epoch": 3, "signal": 11, "last_started": 0, "running": False, "core": "unknown key"}),
        {"name": "probe", "valid": True, "kind": "probe", "attachments": 0, "hex": message([1, 11, 0]),
         "decoded": {"epoch": 0}},
        control("a version is not spoken", "protocol_error",
                {"message": "this broker speaks version 1, not 2", "got": 2, "speaks": [1]}, epoch=0),
        control("a key does not allow it", "protocol_error",
                {"message": "the key 'billing' may not provide service 'ipgeo'", "unauthorized": True}),
        control("a message was malformed", "protocol_error", {"message": "the message is not one msgpack array"}),
        control("sixteen versions are spoken", "protocol_error",
                {"message": "m", "got": 99, "speaks": list(range(1, 17))}),
    ]


# --- malformed.json ---------------------------------------------------------------------------------------

def without(map, key):
    return {k: v for k, v in map.items() if k != key}


def malformed():
    one = [1, 2, EPOCH, 0, *flat([item()], REQUEST_FIELDS)]
    two = one + flat([item(id=2)], REQUEST_FIELDS)
    item_ = [1, 13, EPOCH, *flat([part(id=7, value="CN")], STREAM_FIELDS)]
    result = [1, 3, EPOCH, *flat([answer(value="CN")], REPLY_FIELDS)]
    whole = message(one)
    number = "is not an integer from 0 to 2^53 - 1"

    def with_(elements, **fields):
        changed = list(elements)
        fields_of = {2: ("sent_us", *REQUEST_FIELDS), 3: REPLY_FIELDS, 13: STREAM_FIELDS}
        names = ("version", "kind", "epoch", *fields_of[elements[1]])
        for field, value in fields.items():
            changed[names.index(field)] = value
        return changed

    out = [
        bad("an empty frame", "request", "no array", ""),
        bad("not msgpack", "request", "no array", "c1"),
        bad("text", "request", "no array", b"GET / HTTP/1.1\r\n".hex()),
        bad("a map", "request", "no array", {"version": 1}),
        bad("an empty array", "request", "no version", []),
        bad("a head of two elements", "cancel", "no epoch", [1, 4]),
        bad("a request cut off in its array's header", "request", "cut off", "dd0000"),
        bad("a request cut off in an integer", "request", "cut off", "9c01ce000000"),
        bad("a request cut off in its method", "request", "cut off", whole[: whole.index(b"ipgeo".hex()) + 6]),
        bad("a request cut off before its last byte", "request", "cut off", whole[:-2]),
        bad("a reply cut off before its last byte", "reply", "cut off", message(result)[:-2]),
        bad("a hello cut off before its last byte", "hello", "cut off", message([1, 1, 0, CLIENT_HELLO])[:-2]),
        bad("bytes follow a request", "request", "bytes follow the array", whole + "c0"),
        bad("bytes follow a reply", "reply", "bytes follow the array", message(result) + "00"),
        bad("bytes follow a cancel", "cancel", "bytes follow the array", message([1, 4, EPOCH, 7]) + "00"),
        bad("bytes follow a hello", "hello", "bytes follow the array", message([1, 1, 0, CLIENT_HELLO]) + "90"),
        bad("two messages in one frame", "request", "bytes follow the array", whole + whole),
        bad("0xc1 in args", "request", "0xc1 is no msgpack", with_(one, args=[As("c1")])),
        bad("0xc1 as ext", "request", "0xc1 is no msgpack", with_(one, ext=As("c1"))),
        bad("0xc1 in a result", "reply", "0xc1 is no msgpack", with_(result, value=[1, As("c1")])),
        bad("0xc1 in a control map", "ready", "0xc1 is no msgpack", [1, 5, EPOCH, {**READY, "x": As("c1")}]),
        bad("65 levels of nesting in args", "request", "nested too deeply", with_(one, args=nested(64))),
        bad("65 levels of nesting in kwargs", "request", "nested too deeply", with_(one, kwargs={"deep": nested(63)})),
        bad("65 levels of nesting in ext", "request", "nested too deeply", with_(one, ext={"deep": nested(63)})),
        bad("65 levels of nesting in a result", "reply", "nested too deeply", with_(result, value=nested(64))),
        bad("65 levels of nesting in a hello", "hello", "nested too deeply", [1, 1, 0, {**CLIENT_HELLO, "deep": nested(63)}]),
        bad("65 levels of nesting in a key, beside a str that is not UTF-8", "request", "nested too deeply",
            with_(one, args=[As("a1ff"), Pairs((nested(62), 1))])),
        bad("10,000 levels of nesting", "request", "nested too deeply", with_(one, args=As("91" * 10_000 + "90"))),
    ]
    for what, encoding in (("array", "ddffffffff"), ("map", "dfffffffff"), ("str", "dbffffffff"), ("bin", "c6ffffffff"),
                           ("extension type", "c9ffffffff05")):
        out.append(bad(f"{what} of 2^32 - 1 in args", "request", "a length beyond the end",
                       with_(one, args=As("91" + encoding + "00"))))
    out += [
        bad("the message is an array of 2^32 - 1", "request", "cut off", "ddffffffff" + "0102050001010000a3612e6290c0c0"),
        bad("the message is an array of 2^32 - 4, whole items of a request", "request", "more than 1,024 items",
            "ddfffffffc" + "0102050001010000a3612e6290c0c0"),
        bad("the message is an array of 2^32 - 1, whole items of a reply", "reply", "more than 1,024 items",
            "ddfffffffd" + "0103050101000000c0"),
        bad("a cancel of 2^32 - 4 ids", "cancel", "more than 1,024 ids", "ddffffffff" + "01040507"),
        bad("2^16 - 1 arrays of 2^16 - 1, nested", "request", "a length beyond the end",
            with_(one, args=As("dcffff" * 20))),
        bad("a request without an item", "request", "no item", [1, 2, EPOCH, 0]),
        bad("a request without sent_us", "request", "no sent_us", [1, 2, EPOCH]),
        bad("a request with half an item", "request", "not a whole number of items", two[:-4]),
        bad("a request with an element too many", "request", "not a whole number of items", one + [None]),
        bad("a reply without an item", "reply", "no item", [1, 3, EPOCH]),
        bad("a reply with half an item", "reply", "not a whole number of items", result[:-3]),
        bad("1,025 requests", "request", "more than 1,024 items",
            [1, 2, EPOCH, 0, *flat([item(id=n, method="a.b", args=[], timeout_us=0) for n in range(1025)], REQUEST_FIELDS)]),
        bad("1,025 replies", "reply", "more than 1,024 items",
            [1, 3, EPOCH, *flat([answer(id=n, run_us=0) for n in range(1025)], REPLY_FIELDS)]),
        bad("1,025 ids", "cancel", "more than 1,024 ids", [1, 4, EPOCH, *range(1025)]),
    ]
    for field, value in (("version", "1"), ("kind", 2.0), ("epoch", None), ("sent_us", "0"), ("id", "7"), ("id", None),
                         ("attempt", [1]), ("flags", True), ("timeout_us", 0.5), ("id", b"\x07"), ("id", True)):
        kind = {"version": "unknown", "kind": "unknown"}.get(field, "request")
        out.append(bad(f"a request whose {field} is {value!r}", kind, f"{field} {number}", with_(one, **{field: value})))
    for field in ("version", "kind", "epoch", "sent_us", "id", "attempt", "flags", "timeout_us"):
        kind = {"version": "unknown", "kind": "unknown"}.get(field, "request")
        out.append(bad(f"a request whose {field} is negative", kind, f"{field} {number}", with_(one, **{field: -1})))
    for field in ("epoch", "sent_us", "id", "flags", "timeout_us"):
        out.append(bad(f"a request whose {field} is 2^53", "request", f"{field} {number}", with_(one, **{field: 2**53})))
    out += [
        bad("a request whose id is 2^64 - 1", "request", f"id {number}", with_(one, id=2**64 - 1)),
        bad("a request whose id is -2^63", "request", f"id {number}", with_(one, id=-(2**63))),
        bad("a request of attempt 0", "request", "attempt is not 1 to 255", with_(one, attempt=0)),
        bad("a request of attempt 256", "request", "attempt is not 1 to 255", with_(one, attempt=256)),
        bad("one wrong prefix spoils the bundle", "request", "attempt is not 1 to 255", two[:-7] + [0] + two[-6:]),
        bad("a request claims an attachment that is not there", "request", "attachments do not add up",
            with_(one, ext={"attachments": 1})),
        bad("a frame that no request claims", "request", "attachments do not add up", one, attachments=1),
        bad("requests claim fewer attachments than there are", "request", "attachments do not add up",
            [1, 2, EPOCH, 0, *flat([item(ext={"attachments": 1}), item(id=2)], REQUEST_FIELDS)], attachments=2),
        bad("65 attachments of one request", "request", "more than 64 attachments", with_(one, ext={"attachments": 65}),
            attachments=65),
        bad("2^64 - 1 attachments", "request", "more than 64 attachments", with_(one, ext={"attachments": 2**64 - 1})),
        bad("attachments is a str", "request", "attachments is not a uint", with_(one, ext={"attachments": "1"}), attachments=1),
        bad("attachments is true", "request", "attachments is not a uint", with_(one, ext={"attachments": True}), attachments=1),
        bad("attachments is negative", "request", "attachments is not a uint", with_(one, ext={"attachments": -1})),
        bad("a reply claims an attachment that is not there", "reply", "attachments do not add up",
            with_(result, ext={"attachments": 1})),
        bad("a frame that no reply claims", "reply", "attachments do not add up", result, attachments=1),
        bad("a cancel with an attachment", "cancel", "only requests and replies have attachments", [1, 4, EPOCH, 7],
            attachments=1),
        bad("a hello with an attachment", "hello", "only requests and replies have attachments", [1, 1, 0, CLIENT_HELLO],
            attachments=1),
    ]
    for field in ("id", "attempt", "status", "run_us"):
        out.append(bad(f"a reply whose {field} is negative", "reply", f"{field} {number}", with_(result, **{field: -1})))
        out.append(bad(f"a reply whose {field} is a str", "reply", f"{field} {number}", with_(result, **{field: "1"})))
        out.append(bad(f"a reply whose {field} is true", "reply", f"{field} {number}", with_(result, **{field: True})))
    out += [
        bad("a reply whose id is 2^53", "reply", f"id {number}", with_(result, id=2**53)),
        bad("a reply of attempt 0", "reply", "attempt is not 1 to 255", with_(result, attempt=0)),
        bad("a reply of attempt 256", "reply", "attempt is not 1 to 255", with_(result, attempt=256)),
        bad("an error whose value is a str", "reply", "the value of an error is no map", with_(result, status=1)),
        bad("an error whose value is nil", "reply", "the value of an error is no map", with_(result, status=13, value=None)),
        bad("a reply whose ext is an array", "reply", "ext is neither a map nor nil", with_(result, ext=[])),
        bad("a reply whose ext has a key that is not str", "reply", "a key of ext is not str", with_(result, ext=Pairs((1, 2)))),
        bad("an id of a cancel is negative", "cancel", f"an id {number}", [1, 4, EPOCH, -7]),
        bad("an id of a cancel is a str", "cancel", f"an id {number}", [1, 4, EPOCH, 1, "7"]),
        bad("an id of a cancel is 2^53", "cancel", f"an id {number}", [1, 4, EPOCH, 2**53]),
        bad("a request of version 2", "request", "the version is not spoken", with_(one, version=2), version=2),
        bad("a hello of version 2 in another shape", "hello", "the version is not spoken", [2, "hello", {"role": "client"}],
            version=2),
        bad("a hello of version 0", "hello", "the version is not spoken", [0, 1, 0, CLIENT_HELLO], version=0),
        bad("kind 0", "unknown", "the kind is not known", [1, 0, EPOCH, {}]),
        bad("kind 18", "unknown", "the kind is not known", [1, 18, EPOCH, {}]),
        bad("kind 2^53 - 1", "unknown", "the kind is not known", [1, MAX_PREFIX, EPOCH]),
    ]

    for field in ("id", "attempt", "seq"):
        for what, value in (("negative", -1), ("a str", "1"), ("true", True), ("nil", None)):
            out.append(bad(f"an item whose {field} is {what}", "items", f"{field} {number}", with_(item_, **{field: value})))
    out += [
        bad("an item whose seq is 2^53", "items", f"seq {number}", with_(item_, seq=2**53)),
        bad("an item of attempt 0", "items", "attempt is not 1 to 255", with_(item_, attempt=0)),
        bad("an item of attempt 256", "items", "attempt is not 1 to 255", with_(item_, attempt=256)),
        bad("items without an item", "items", "no item", [1, 13, EPOCH]),
        bad("items with half an item", "items", "not a whole number of items", item_[:-2]),
        bad("items with an element too many", "items", "not a whole number of items", item_ + [None]),
        bad("an item cut off before its last byte", "items", "cut off", message(item_)[:-2]),
        bad("bytes follow items", "items", "bytes follow the array", message(item_) + "c0"),
        bad("0xc1 in an item", "items", "0xc1 is no msgpack", with_(item_, value=[As("c1")])),
        bad("65 levels of nesting in an item", "items", "nested too deeply", with_(item_, value=nested(64))),
        bad("an item whose ext is an array", "items", "ext is neither a map nor nil", with_(item_, ext=[])),
        bad("an item whose ext has a key that is not str", "items", "a key of ext is not str", with_(item_, ext=Pairs((1, 2)))),
        bad("an item claims an attachment that is not there", "items", "attachments do not add up",
            with_(item_, ext={"attachments": 1})),
        bad("a frame that no item claims", "items", "attachments do not add up", item_, attachments=1),
        bad("1,025 items", "items", "more than 1,024 items",
            [1, 13, EPOCH, *flat([part(seq=n) for n in range(1025)], STREAM_FIELDS)]),
        bad("a window without a pair", "window", "no item", [1, 14, EPOCH]),
        bad("a window of an id alone", "window", "not a whole number of items", [1, 14, EPOCH, 7]),
        bad("a window that is negative", "window", f"window {number}", [1, 14, EPOCH, 7, -1]),
        bad("a window that is a str", "window", f"window {number}", [1, 14, EPOCH, 7, "1"]),
        bad("a window that is 2^53", "window", f"window {number}", [1, 14, EPOCH, 7, 2**53]),
        bad("a window whose id is nil", "window", f"id {number}", [1, 14, EPOCH, None, 1]),
        bad("1,025 windows", "window", "more than 1,024 items", [1, 14, EPOCH, *range(2050)]),
        bad("bytes follow windows", "window", "bytes follow the array", message([1, 14, EPOCH, 7, 32]) + "00"),
        bad("a window with an attachment", "window", "only requests, replies and items have attachments",
            [1, 14, EPOCH, 7, 32], attachments=1),
    ]

    controls = {"hello": ({**CLIENT_HELLO, "token": "t"}, ("role", "nonce")),
                "broker_hello": (BROKER_HELLO, ("nonce", "max_body", "max_bundle", "heartbeat_ms", "default_timeout_us",
                                                "max_timeout_us")),
                "ready": ({**READY, "concurrency": 8, "generation": 3, "brokers": 2, "uid": 7}, ("service", "methods", "credit")),
                "brokers": ({"brokers": 2}, ("brokers",)),
                "pool": ({"service": "s", "state": "serving", "wanted": 4, "alive": 4, "restarts": 0, "reason": "r"},
                         ("service", "state")),
                "obituary": ({**OBITUARY, "exit_code": 1, "stack": "s", "out_of_memory": True}, ("worker_epoch",)),
                "command": ({"id": 7, "command": "scale", "args": [8]}, ("id", "command")),
                "command_done": ({"id": 7, "ok": True, "message": "m", "result": {"generation": 3}}, ("id", "ok")),
                "protocol_error": ({"message": "m", "got": 2, "speaks": [1], "unauthorized": True}, ("message",)),
                **{kind: ({"reason": "r", "answer": True}, ()) for kind in ("register_again", "drain", "drained")}}
    for kind, (full, required) in controls.items():
        epoch = 0 if kind == "hello" else EPOCH
        number_of_kind = KINDS[kind]
        out.append(bad(f"{kind} without a map", kind, "no map", [1, number_of_kind, epoch]))
        out.append(bad(f"{kind} with an array for its map", kind, "no map", [1, number_of_kind, epoch, [1]]))
        out.append(bad(f"{kind} with an element behind its map", kind, "more than a map", [1, number_of_kind, epoch, full, None]))
        for key in required:
            out.append(bad(f"{kind} without {key}", kind, f"{key} is missing", [1, number_of_kind, epoch, without(full, key)]))
            out.append(bad(f"{kind} whose {key} is nil", kind, f"{key} is missing",
                           [1, number_of_kind, epoch, {**full, key: None}]))
        for key, value in full.items():
            wrong = {bool: [1, "true"], int: ["1", -1, 2**53, 1.0, True], str: [1, b"text"], dict: [[], "m"], list: [1, ["1"], [-1]] if key == "speaks" else [1, {"a": 1}, "x"]}
            for other in wrong[type(value)]:
                out.append(bad(f"{kind} whose {key} is {plain(other)}", kind, f"{key} is of the wrong type",
                               [1, number_of_kind, epoch, {**full, key: other}]))
    words = [
        ("hello", "an unknown role", {**CLIENT_HELLO, "role": "boss"}),
        ("pool", "an unknown state", {"service": "s", "state": "idle"}),
        ("pool", "a service that is no name", {"service": "a b", "state": "loading"}),
        ("ready", "a service that is no name", {**READY, "service": "ip/geo"}),
        ("ready", "a service that is empty", {**READY, "service": ""}),
        ("ready", "no methods", {**READY, "methods": {}}),
        ("ready", "a method with a dot", {**READY, "methods": {"a.b": {}}}),
        ("ready", "a method that is no name", {**READY, "methods": {"größe": {}}}),
        ("ready", "a method that is not a str", {**READY, "methods": Pairs((1, {}))}),
        ("ready", "a method that is not a map", {**READY, "methods": {"a": True}}),
        ("ready", "idempotent that is not a bool", {**READY, "methods": {"a": {"idempotent": 1}}}),
        *[("ready", f"{key} that is {value}", {**READY, "methods": {"a": {key: value}}})
          for key, value in (("pure", 1), ("stream", 1), ("cancel", "yes"), ("timeout_us", -1), ("timeout_us", 1.5), ("hard_timeout_us", "1"), ("priority", "0"),
                             ("priority", 3), ("priority", -1), ("priority", True))],
        ("ready", "a concurrency of 0", {**READY, "concurrency": 0}),
        ("ready", "a concurrency of 257", {**READY, "concurrency": 257}),
        ("ready", "a credit of 0", {**READY, "credit": 0}),
        ("ready", "a credit of 257", {**READY, "credit": 257}),
        ("ready", "no broker", {**READY, "brokers": 0}),
        ("ready", "17 brokers", {**READY, "brokers": 17}),
        ("brokers", "no broker", {"brokers": 0}),
        ("brokers", "17 brokers", {"brokers": 17}),
    ]
    for kind, what, map in words:
        out.append(bad(f"{kind} with {what}", kind, what, [1, KINDS[kind], 0 if kind == "hello" else EPOCH, map]))
    return out


# fmt: on

# --- writing ----------------------------------------------------------------------------------------------


def line(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def decoded_text(decoded):
    if "items" not in decoded:
        return line(decoded)
    head = "".join(f'"{k}": {line(v)}, ' for k, v in decoded.items() if k != "items")
    return (
        "{"
        + head
        + '"items": [\n      '
        + ",\n      ".join(map(line, decoded["items"]))
        + "\n    ]}"
    )


def text(vectors):
    names = [v["name"] for v in vectors]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
    blocks = []
    for vector in vectors:
        fields = [
            f'    "{k}": {decoded_text(v) if k == "decoded" else line(v)}'
            for k, v in vector.items()
        ]
        blocks.append("  {\n" + ",\n".join(fields) + "\n  }")
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def main():
    files = {
        "hello.json": hello,
        "requests.json": requests,
        "replies.json": replies,
        "streams.json": streams,
        "control.json": controls,
        "malformed.json": malformed,
    }
    stale = []
    for name, vectors in files.items():
        path, wanted = HERE / name, text(vectors())
        if "--check" not in sys.argv[1:]:
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale.append(name)
    if stale:
        sys.exit(
            f"proto/vectors/make.py writes another {' and '.join(stale)}: run it, and look at the difference"
        )


if __name__ == "__main__":
    main()
