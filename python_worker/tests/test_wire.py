"""The codec: golden vectors, round trips, truncation, wrong types."""

import datetime
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from as_json import as_json, as_python_sees, same
from hypothesis import given
from hypothesis import strategies as st

from samovar import wire
from samovar.bundles import (
    REPLY_HEAD,
    REPLY_ITEM,
    REQUEST_HEAD,
    REQUEST_ITEM,
    BadItem,
    decode_replies,
    decode_requests,
    split_array,
)
from samovar.wire import WireError

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"
_CONTROL = {
    name: getattr(wire, name.upper())
    for name in "hello ready register_again drain drained pool obituary protocol_error".split()
}


def _vectors(*kinds: str) -> list[Any]:
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text()):
            if vector["kind"] in kinds:
                found.append(pytest.param(vector, id=f"{path.stem}: {vector['name']}"))
    return found


def test_there_are_vectors():
    assert len(_vectors("request")) > 50
    assert len(_vectors("reply")) > 20
    assert len(_vectors("broker_hello")) > 3


@pytest.mark.parametrize("vector", _vectors("request"))
def test_request_vectors(vector):
    frame = bytes.fromhex(vector["hex"])
    if not vector["valid"]:
        with pytest.raises(WireError):
            decode_requests(frame, vector["attachments"])
        return
    message = decode_requests(frame, vector["attachments"])
    expected = vector["decoded"]
    assert message[2:4] == [expected["epoch"], expected["sent_us"]]
    assert len(message) == REQUEST_HEAD + REQUEST_ITEM * len(expected["items"])
    for number, item in enumerate(expected["items"]):
        got = message[REQUEST_HEAD + REQUEST_ITEM * number :][:REQUEST_ITEM]
        assert got[:2] == [item["id"], item["attempt"]]
        assert got[2] & 3 == item["flags"] & 3
        assert got[3] == item["timeout_us"]
        if item.get("wrong") or item.get("wrong_for_worker"):
            assert isinstance(got[4], BadItem), item
            continue
        assert got[4] == item["method"]
        for value, key in zip(got[5:], ("args", "kwargs", "ext")):
            assert same(as_json(value), as_python_sees(item[key]))


@pytest.mark.parametrize("vector", _vectors("reply"))
def test_reply_vectors(vector):
    frame = bytes.fromhex(vector["hex"])
    if not vector["valid"]:
        with pytest.raises(WireError):
            decode_replies(frame, vector["attachments"])
        return
    message = decode_replies(frame, vector["attachments"])
    expected = vector["decoded"]
    assert message[2] == expected["epoch"]
    for number, item in enumerate(expected["items"]):
        got = message[REPLY_HEAD + REPLY_ITEM * number :][:REPLY_ITEM]
        assert got[:2] == [item["id"], item["attempt"]]
        assert (
            got[2] == item["status"] or item["status"] == 13
        )  # an unknown status is left as it is
        assert got[3] == item["run_us"]
        assert same(as_json(got[4]), as_python_sees(item["value"]))
        assert same(as_json(got[5]), item["ext"])


@pytest.mark.parametrize("vector", _vectors("broker_hello"))
def test_broker_hello_vectors(vector):
    frame = bytes.fromhex(vector["hex"])
    if not vector["valid"]:
        with pytest.raises(WireError):
            wire.decode_broker_hello(_decode(frame, vector))
        return
    hello = wire.decode_broker_hello(_decode(frame, vector))
    expected = vector["decoded"]
    assert hello.epoch == expected["epoch"]
    for key in ("nonce", "max_body", "heartbeat_ms"):
        assert getattr(hello, key) == expected["map"][key]
    for key in ("clock", "broker"):
        assert getattr(hello, key) == expected["map"].get(key, "")


def _decode(frame: bytes, vector: Any) -> Any:
    if vector["attachments"]:
        raise WireError("attachments follow a control message")
    message = wire.decode(frame)
    wire.control_map(message)
    return message


@pytest.mark.parametrize("vector", _vectors(*_CONTROL, "probe"))
def test_control_vectors_have_heads_and_maps_that_we_can_read(vector):
    frame = bytes.fromhex(vector["hex"])
    if not vector["valid"]:
        return  # what only a broker reads, only a broker must refuse
    message = wire.decode(frame)
    assert message[2] == vector["decoded"]["epoch"]
    if vector["kind"] != "probe":
        assert message[1] == _CONTROL[vector["kind"]]
        expected = vector["decoded"]["map"]
        content = {
            key: value
            for key, value in wire.control_map(message).items()
            if isinstance(key, str) and value is not None
        }
        if "methods" in content:  # what a method says is a map of the protocol, too
            content["methods"] = {
                name: {key: value for key, value in said.items() if value is not None}
                for name, said in content["methods"].items()
            }
        assert same(as_json(content), expected)
        again = wire.encode_control(message[1], message[2], content)
        assert wire.decode(again) == [*message[:3], content]


# --- round trips ---------------------------------------------------------------------------------------

moments = st.datetimes(
    min_value=datetime.datetime(1, 1, 2),
    max_value=datetime.datetime(9999, 12, 30),
    timezones=st.just(datetime.timezone.utc),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | moments
)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=5)
    | st.dictionaries(st.text() | st.integers(-(2**63), 2**64 - 1), inside, max_size=4),
    max_leaves=8,
)
uints = st.integers(0, wire.MAX_PREFIX_INTEGER)
items = st.tuples(
    uints,
    st.integers(1, 255),
    uints,
    uints,
    st.sampled_from(["s.m", "a.b.c", "x-y_z.M1"]),
    st.lists(values, max_size=3),
    st.none() | st.dictionaries(st.text(), values, max_size=3),
    st.none() | st.dictionaries(st.just("traceparent"), st.text(max_size=20)),
)


@given(uints, uints, st.lists(items, min_size=1, max_size=5))
def test_requests_come_back_as_they_went(epoch, sent_us, bundle):
    message = [1, wire.REQUEST, epoch, sent_us, *[element for item in bundle for element in item]]
    assert decode_requests(msgpack.packb(message, datetime=True)) == message


@given(st.lists(items, min_size=1, max_size=3))
def test_a_message_cut_anywhere_is_malformed_and_nothing_worse(bundle):
    message = [1, wire.REQUEST, 7, 0, *[element for item in bundle for element in item]]
    frame = msgpack.packb(message, datetime=True)
    for length in range(len(frame)):
        with pytest.raises(WireError):
            decode_requests(frame[:length])
    with pytest.raises(WireError):
        decode_requests(frame + b"\0")


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_and_nothing_worse(frame):
    for decoder in (decode_requests, decode_replies, wire.decode, split_array):
        try:
            decoder(frame)
        except WireError:
            pass


@given(st.lists(items, min_size=1, max_size=2), st.data())
def test_a_flipped_byte_is_noticed_or_changes_a_value_but_nothing_worse(bundle, data):
    message = [1, wire.REQUEST, 7, 0, *[element for item in bundle for element in item]]
    frame = bytearray(msgpack.packb(message, datetime=True))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_requests(bytes(frame))
    except WireError:
        pass


GOOD = [5, 1, 0, 1000, "s.m", [1], None, None]


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("value", [-1, 2**53, 1.0, "1", None, True, [], {}])
def test_a_wrong_type_in_the_prefix_spoils_the_message(position, value):
    item = [*GOOD]
    item[position] = value
    with pytest.raises(WireError):
        decode_requests(msgpack.packb([1, 2, 7, 0, *item]))


@pytest.mark.parametrize(
    "position, value",
    [(4, v) for v in (None, 5, b"s.m", "m", ".m", "s.", "s m.x", "s." + "m" * 254)]
    + [(5, v) for v in (None, 5, "abc", {})]
    + [(6, v) for v in (5, "abc", [], {1: 2})]
    + [(7, v) for v in (5, "abc", [], {1: 2}, {"priority": 3}, {"x": "y" * 16384})],
)
def test_a_wrong_type_behind_the_prefix_spoils_its_item(position, value):
    item = [*GOOD]
    item[position] = value
    message = decode_requests(msgpack.packb([1, 2, 7, 0, *GOOD, *item, *GOOD]))
    assert message[4:12] == message[20:] == GOOD
    assert isinstance(message[16], BadItem)
    assert message[17:19] == [[], None]


def test_undecodable_parts_spoil_their_item_only():
    packed = msgpack.packb([1, 2, 7, 0, *GOOD, *GOOD, *GOOD])
    frame = packed.replace(b"\x91\x01", b"\x91\xc7\x05\xff12345", 1)  # a timestamp of 5 bytes
    message = decode_requests(frame)
    assert isinstance(message[8], BadItem)
    assert "args cannot be decoded" in message[8].reason
    assert message[12:] == [*GOOD, *GOOD]


def test_another_version_is_named():
    with pytest.raises(WireError, match="version 2, this worker speaks 1"):
        wire.decode(msgpack.packb([2, 1, 0, {}]))


def test_entries_that_are_none_are_left_out():
    assert wire.decode(wire.encode_control(wire.DRAIN, 7, {"a": None, "b": 1})) == [
        1,
        7,
        7,
        {"b": 1},
    ]
