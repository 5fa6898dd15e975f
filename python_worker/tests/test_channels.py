"""Which connections a client has, as the addresses of a name change."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from samovar.channel import Channel
from samovar.channels import Channels
from samovar.endpoints import LOOK_AGAIN_S, LOOK_EVERY_S

CAP_S = 20.0


class Stage:
    """Channels of a name whose addresses are the test's."""

    def __init__(self, context: "zmq.Context[Any]", *addresses: str) -> None:
        self.addresses = list(addresses)
        self.open: list[Channel] = []
        self._woken = threading.Event()
        self.channels = Channels(
            context,
            ("ipc:///nowhere/fixed", "dns+tcp://brokers:7711")[not addresses :],
            "test",
            None,
            wake=self._woken.set,
            on_open=self.open.append,
            on_close=self.open.remove,
            lookup=self._look_up,
        )

    def _look_up(self, name: str, port: int) -> list[str]:
        assert (name, port) == ("brokers", 7711)
        if not self.addresses:
            raise OSError("unknown")
        return list(self.addresses)

    def look(self) -> None:
        """A lookup that is due begins, and ends."""
        self._woken.clear()
        self.channels.turn()
        assert self._woken.wait(CAP_S)
        self.channels.turn()

    @property
    def endpoints(self) -> list[str]:
        return sorted(each.broker.endpoint for each in self.open)


@pytest.fixture
def context() -> Iterator["zmq.Context[Any]"]:
    with zmq.Context() as context:
        yield context


def test_there_is_a_connection_to_each_address_that_a_name_has_now(
    context: "zmq.Context[Any]",
) -> None:
    stage = Stage(context, "ipc:///nowhere/a", "ipc:///nowhere/b")
    assert stage.endpoints == ["ipc:///nowhere/fixed"]
    stage.look()
    assert stage.endpoints == ["ipc:///nowhere/a", "ipc:///nowhere/b", "ipc:///nowhere/fixed"]
    wait = stage.channels.seconds_to_wait()
    assert wait is not None and LOOK_AGAIN_S < wait <= LOOK_EVERY_S
    stage.channels.close()
    assert stage.open == []


def test_a_name_without_an_address_is_looked_up_again_soon(context: "zmq.Context[Any]") -> None:
    stage = Stage(context)
    stage.look()
    assert stage.endpoints == []
    wait = stage.channels.seconds_to_wait()
    assert wait is not None and wait <= LOOK_AGAIN_S
    stage.channels.close()


def test_an_endpoint_that_libzmq_does_not_take_leaves_nothing_open(
    context: "zmq.Context[Any]",
) -> None:
    opened: list[Channel] = []
    with pytest.raises(ValueError, match="'tcp://nonsense' is no endpoint"):
        Channels(
            context,
            ("ipc:///nowhere/a", "tcp://nonsense"),
            "test",
            None,
            wake=lambda: None,
            on_open=opened.append,
            on_close=opened.remove,
        )
    assert opened == []
