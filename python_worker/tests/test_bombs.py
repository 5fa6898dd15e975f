"""Bytes that claim far more than they have: each decoder refuses them, and takes no memory for the claim."""

import tracemalloc

import msgpack
import pytest

from samovar import wire
from samovar.arrays import EXT_TYPE, ArrayError, place
from samovar.bundles import decode_replies, decode_requests, split_array
from samovar.wire import WireError


CLAIMS = [
    bytes.fromhex(claim) + b"123456789abcdef"
    for claim in "ddffffffff dd7fffffff dfffffffff df7fffffff dbffffffff c6ffffffff c9ffffffff01".split()
]
BOMBS = [
    bomb
    for claim in CLAIMS
    for bomb in (claim, b"\x91" + claim, b"\x81\xa1k" + claim, b"\x81" + claim + b"\x01")
] + [b"\x91" * 100_000, b"\x81\x01" * 100_000]

REQUEST = b"\x9c\x01\x02\x07\x00\x05\x01\x00\x64\xa3s.m"
REPLY = b"\x99\x01\x03\x07\x05\x01\x00\x00"
CONTROL = b"\x94\x01\x0c\x07"


def frames(bomb: bytes) -> list[bytes]:
    """A message of each kind, with the bomb wherever a value may stand."""
    return [
        bomb,
        REQUEST + bomb + b"\xc0\xc0",
        REQUEST + b"\x90" + bomb + b"\xc0",
        REQUEST + b"\x90\xc0" + bomb,
        REPLY + bomb + b"\xc0",
        REPLY + b"\xc0" + bomb,
        CONTROL + bomb,
        CONTROL + b"\x81\xa7message" + bomb,
    ]


def peak_of(act) -> int:
    """The most bytes that were allocated at the same time while it ran."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refuse(frame: bytes) -> None:
    for decoder in (decode_requests, decode_replies, wire.decode, split_array):
        with pytest.raises(WireError):
            decoder(frame)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:9].hex())
def test_a_claim_of_gigabytes_costs_no_memory(bomb):
    for frame in frames(bomb):
        # The unpacker has its own buffer, errors their traces.
        assert peak_of(lambda: refuse(frame)) < (1 << 20) + 20 * len(frame)


@pytest.mark.parametrize("levels", [20, 60, 1000])
@pytest.mark.parametrize(
    "head", [REQUEST, REPLY, CONTROL, b""], ids=["request", "reply", "control", "none"]
)
def test_claims_on_each_level_cost_what_the_message_has(head, levels):
    """Each claims less than what follows, all together far more."""
    size = 1 << 15
    frame = head + b"".join(b"\xdd" + (size + 4).to_bytes(4, "big") for _ in range(levels))
    frame += b"\xc0" * (size + 10)
    # A value of which Python can make a list has 8 bytes for each of its own; the levels would have `levels` times as many.
    assert peak_of(lambda: refuse(frame)) < 20 * len(frame)


def test_an_honest_list_of_the_same_size_is_decoded():
    many = [None] * (1 << 16)
    frame = msgpack.packb([1, 2, 7, 0, 5, 1, 0, 1000, "s.m", [many] * 10, None, None])
    assert decode_requests(frame)[9] == [many] * 10


def test_a_claim_in_the_description_of_an_array_costs_no_memory():
    def refuse_array() -> None:
        for bomb in BOMBS:
            for description in (
                bomb,
                b"\x93" + bomb,
                b"\x93\x00" + bomb,
                b"\x93\x00\xa3<f8" + bomb,
            ):
                with pytest.raises(ArrayError):
                    place(msgpack.ExtType(EXT_TYPE, description), [b"12345678"])

    assert peak_of(refuse_array) < 4 << 20
