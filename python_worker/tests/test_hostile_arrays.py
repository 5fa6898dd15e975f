"""Arrays as nobody should describe them: the item is refused, the worker goes on."""

import itertools

import msgpack
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar.arrays import EXT_TYPE, ArrayError, place
from samovar.bundles import BadItem, decode_requests, place_arrays


def array(attachment, dtype, shape):
    return msgpack.ExtType(EXT_TYPE, msgpack.packb([attachment, dtype, shape]))


def placed(value, *frames):
    """What place() makes of it, or None for an ArrayError: nothing else is raised."""
    try:
        return place(value, list(frames))
    except ArrayError:
        return None


@pytest.mark.parametrize("kind, size", itertools.product("biufc", (1, 2, 4, 8, 16, 32)))
@pytest.mark.parametrize("order", "<>|")
def test_every_dtype_is_an_array_or_refused(order, kind, size):
    dtype = f"{order}{kind}{size}"
    got = placed(array(0, dtype, [2]), bytes(2 * size))
    try:
        known = numpy.dtype(dtype)
    except TypeError:
        assert got is None
    else:
        assert got.dtype == known and got.shape == (2,)


def test_a_dtype_that_numpy_does_not_know_spoils_its_item_only():
    good = [6, 1, 0, 1000, "s.m", [1], None, None]
    bad = [5, 1, 0, 1000, "s.m", [array(0, "<b2", [1])], None, {"attachments": 1}]
    message = decode_requests(msgpack.packb([1, 2, 7, 0, *bad, *good]), 1)
    place_arrays(message, [b"12"])
    assert isinstance(message[8], BadItem)
    assert message[12:] == good


@given(
    st.lists(st.sampled_from([0, 1, 2, 2**31, 2**53 - 1]), max_size=34), st.sampled_from([0, 8])
)
def test_every_shape_is_an_array_or_refused(shape, size):
    got = placed(array(0, "<f8", shape), bytes(size))
    assert got is None or got.nbytes == size


@given(st.binary(max_size=40))
def test_every_description_is_an_array_or_refused(description):
    placed(msgpack.ExtType(EXT_TYPE, description), b"12345678", b"")
