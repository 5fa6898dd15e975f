"""The C++ and the Python codec say the same about every frame: whether it is accepted, and what is in it.

The frames are the golden vectors, the corpus of the fuzzer, and what changes make of them.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_worker.tests.as_json import as_json, as_python_sees, same
from samovar import structure, wire
from samovar.bundles import (
    REPLY_HEAD,
    REPLY_ITEM,
    REQUEST_HEAD,
    REQUEST_ITEM,
    BadItem,
    attachments_of,
    decode_replies,
    decode_requests,
)
from samovar.errors import WORDS
from samovar.wire import WireError

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SAMOVAR_BIN", ROOT / "build/release/bin"))

Frame = tuple[bytes, int]  # and how many attachments follow


def vectors() -> list[Frame]:
    found = []
    for path in sorted((ROOT / "proto/vectors").glob("*.json")):
        for vector in json.loads(path.read_text()):
            found.append((bytes.fromhex(vector["hex"]), vector["attachments"]))
    return found


def corpus() -> list[Frame]:
    files = sorted((ROOT / "tests/fuzz/corpus/codec").iterdir())
    return [(data[1:], data[0]) for data in (path.read_bytes() for path in files) if data]


class Codec:
    """The C++ codec, which answers one frame after another."""

    def __init__(self) -> None:
        program = BIN / "codec_verdicts"
        assert program.exists(), f"{program} is missing: run script/build, or set SAMOVAR_BIN"
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def verdict(self, frame: Frame) -> dict[str, Any]:
        data, attachments = frame
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{attachments} {data.hex()}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def codec():
    codec = Codec()
    yield codec
    codec.process.communicate()
    assert codec.process.returncode == 0


def text_of(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal).decode(errors="replace")


def check_requests(frame: Frame, epoch: int, expected: Any) -> None:
    message = decode_requests(*frame)
    assert message[2:4] == [epoch, expected["sent_us"]]
    assert len(message) == REQUEST_HEAD + REQUEST_ITEM * len(expected["items"])
    for number, item in enumerate(expected["items"]):
        got = message[REQUEST_HEAD + REQUEST_ITEM * number :][:REQUEST_ITEM]
        assert [*got[:2], got[2] & 15, got[3]] == [
            item[key] for key in ("id", "attempt", "flags", "timeout_us")
        ]
        assert attachments_of(got[7]) == item["attachments"]
        assert isinstance(got[4], BadItem) == item["refused"], item
        if not item["refused"]:
            assert got[4] == item["method"]
            for value, key in zip(got[5:], ("args", "kwargs", "ext")):
                assert same(as_json(value), as_python_sees(item[key]))


def check_replies(frame: Frame, epoch: int, expected: Any) -> None:
    message = decode_replies(*frame)
    assert message[2] == epoch
    assert len(message) == REPLY_HEAD + REPLY_ITEM * len(expected["items"])
    for number, item in enumerate(expected["items"]):
        got = message[REPLY_HEAD + REPLY_ITEM * number :][:REPLY_ITEM]
        status = got[2] if got[2] < len(WORDS) else WORDS.index("internal")
        assert [got[0], got[1], status, got[3]] == [
            item[key] for key in ("id", "attempt", "status", "run_us")
        ]
        assert attachments_of(got[5]) == item["attachments"]
        if "value" in item:
            assert same(as_json(got[4]), as_python_sees(item["value"]))
            assert same(as_json(got[5]), as_python_sees(item["ext"]))


def check_control(frame: Frame, kind: int, epoch: int, expected: Any) -> None:
    message = wire.decode_control(*frame)
    assert message[1:3] == [kind, epoch]
    if kind == wire.HELLO:
        hello = wire.decode_broker_hello(message)
        for key, value in expected.items():
            assert getattr(hello, key) == (text_of(value) if type(value) is str else value)
    elif kind == wire.CANCEL:
        assert wire.decode_ids(message) == expected
    elif kind == wire.WINDOW:
        assert [[*pair] for pair in wire.decode_windows(message)] == expected
    elif kind == wire.COMMAND:
        id_, command, _ = wire.decode_command(message)
        assert [id_, command] == [expected["id"], text_of(expected["command"])]
    elif kind == wire.PROTOCOL_ERROR:
        assert wire.decode_protocol_error(message) == text_of(expected)
    elif kind != wire.PROBE:
        assert wire.decode_notice(message) == text_of(expected)


def check(frame: Frame, kind: int, epoch: int, expected: Any) -> None:
    if kind == wire.REQUEST:
        check_requests(frame, epoch, expected)
    elif kind == wire.REPLY:
        check_replies(frame, epoch, expected)
    else:
        check_control(frame, kind, epoch, expected)


def decode(frame: Frame, kind: int) -> None:
    """As the right reader does. Raises WireError."""
    if kind == wire.REQUEST:
        decode_requests(*frame)
    elif kind == wire.REPLY:
        decode_replies(*frame)
    else:
        message = wire.decode_control(*frame)
        readers = {
            wire.HELLO: wire.decode_broker_hello,
            wire.CANCEL: wire.decode_ids,
            wire.WINDOW: wire.decode_windows,
            wire.COMMAND: wire.decode_command,
            wire.PROTOCOL_ERROR: wire.decode_protocol_error,
        }
        readers.get(kind, wire.decode_notice)(message)


def agree(codec: Codec, frame: Frame) -> None:
    try:
        compare(codec.verdict(frame), frame)
    except BaseException:
        print(f"{frame[1]} attachments, {frame[0].hex()}")
        raise


def compare(verdict: dict[str, Any], frame: Frame) -> None:
    if "decoded" in verdict:
        check(frame, verdict["kind"], verdict["epoch"], verdict["decoded"])
    elif "kind" in verdict:
        with pytest.raises(WireError):
            decode(frame, verdict["kind"])
            pytest.fail(f"C++ refuses it: {verdict['refused']}", pytrace=False)
    elif "refused" in verdict:
        with pytest.raises(WireError):
            wire.decode(frame[0])
            pytest.fail(f"C++ refuses it: {verdict['refused']}", pytrace=False)


def test_the_codecs_agree_on_the_vectors_and_the_corpus(codec):
    frames = vectors() + corpus()
    assert len(frames) > 600
    for frame in frames:
        agree(codec, frame)


def test_both_codecs_read_what_earlier_builds_sent(codec):
    sent = json.loads((ROOT / "tests/proto/earlier_frames.json").read_text())
    kinds = "request reply cancel broker_hello register_again drained protocol_error probe".split()
    read = [each for each in sent if each["kind"] in kinds]
    assert len(read) > 80
    for each in read:
        frame = (bytes.fromhex(each["hex"]), each["attachments"])
        verdict = codec.verdict(frame)
        assert "decoded" in verdict, each["name"]
        compare(verdict, frame)


# What is worth to stand anywhere: odd encodings, claims, what Python cannot hold.
PIECES = (
    [
        bytes.fromhex(piece)
        for piece in """c0 c1 c2 c3 80 90 a0 00 7f ff cc00 cd0000 ce00000000 cf0000000000000000 d0ff d20000ffff d3ffffffffffffffff
    cf0020000000000000 cf001fffffffffffff ca7fc00000 cb3ff0000000000000 d900 da0001 db00000000 c400 c60000000141
    dcffff ddffffffff ddffff0000 deffff dfffffffff dbffffffff c6ffffffff c9ffffffff01 dc0000 dd00000000 de0000 df00000000
    a1ff a3eda080 a2c3a9 81a16101 810102 819001 81800001 8101a161 82a16101a16102 d6ff00000000 d7ffffffffff00000005
    c70cff000000010000000000000001 c70cffee6b28000000000000000005 c70cff00000000fffffff1886e08ff c705ff3132333435
    d4fe00 d40100 c70301930000 81ab6174746163686d656e747301 82ab6174746163686d656e747301ab6174746163686d656e747300
    82ab6174746163686d656e7473a178ab6174746163686d656e747300 81a87072696f7269747909 82a87072696f7269747909a87072696f7269747901
    81a677696e646f7741 82ab6174746163686d656e747301a178a1ff 8201a178ab6174746163686d656e747301""".split()
    ]
    + [b"\x91" * 62, b"\x91" * 63, b"\x81\x01" * 62, b"\x81" * 64]
)

BASES = [frame for frame in vectors() if len(frame[0]) < 600]


def values_in(data: bytes) -> list[tuple[int, int]]:
    """Where each value in it begins and ends, on every level; the whole comes first."""
    try:
        found = [(0, structure.end_of(memoryview(data), 0, 64))]
    except structure.BadStructure:
        return [(0, len(data))]
    for begin, end in found:
        try:
            parts = structure.children(memoryview(data)[begin:end], 64)
        except structure.BadStructure:
            continue
        at = end - sum(map(len, parts))
        for part in parts:
            found.append((at, at + len(part)))
            at += len(part)
    return found


VALUES = {data: values_in(data) for data, _ in BASES}


def changed(below: Callable[[int], int]) -> Frame:
    """A vector with other values in some places, or with other bytes. `below` chooses a number below another one."""
    data, attachments = BASES[below(len(BASES))]
    places = VALUES[data]
    unchanged = len(data)
    changes = [places[below(len(places))] for _ in range(below(4))]
    for begin, end in sorted(changes, reverse=True):
        if end <= unchanged:  # not within what is changed already
            data = data[:begin] + PIECES[below(len(PIECES))] + data[end:]
            unchanged = begin
    for _ in range(max(0, below(5) - 2)):
        begin = below(len(data) + 1)
        piece = bytes(below(256) for _ in range(below(4)))
        data = data[:begin] + piece + data[begin + below(9) :]
    return data, below(3) if below(5) == 4 else attachments


def shortest() -> list[Frame]:
    """The shortest vector of each kind of message."""
    kinds: dict[int, Frame] = {}
    for frame in sorted(BASES, key=lambda frame: len(frame[0])):
        try:
            kinds.setdefault(wire.decode(frame[0])[1], frame)
        except WireError:
            continue
    return list(kinds.values())


def test_the_codecs_agree_on_each_piece_in_each_place(codec):
    for data, attachments in shortest():
        for begin, end in VALUES[data]:
            for piece in PIECES:
                changed = data[:begin] + piece + data[end:]
                agree(codec, (changed, attachments))
                agree(codec, (changed, 1))


def test_the_codecs_agree_on_changed_frames(codec):
    random = Random(20261125)
    for _ in range(10_000):
        agree(codec, changed(random.randrange))


# Fewer, but a failure comes as the smallest frame that fails.
@given(data=st.data())
@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_codecs_agree_on_what_hypothesis_makes_of_frames(codec, data):
    agree(codec, changed(lambda limit: data.draw(st.integers(0, limit - 1))))
