"""Lists of brokers: their grammar, and names that stand for several addresses."""

import json
import logging
import threading
from pathlib import Path

import pytest

from samovar import board, endpoints
from samovar.endpoints import LOOK_AGAIN_S, LOOK_EVERY_S, Addresses, BadEndpoint, parse


LISTS = json.loads((Path(__file__).parents[2] / "tests/proto/endpoints.json").read_text())


@pytest.mark.parametrize("case", LISTS, ids=lambda case: case["list"][:40])
def test_a_list_of_brokers_is_what_every_parser_takes_it_for(case):
    if "pieces" in case:
        assert parse(case["list"]) == tuple(case["pieces"])
    else:
        with pytest.raises(BadEndpoint) as error:
            parse(case["list"])
        assert case["wrong"] in str(error.value)


def test_there_are_at_most_as_many_brokers_as_a_board_has_sessions():
    assert endpoints.MAX_BROKERS == board.SESSIONS == 16


class Names:
    """Stands for the resolver: `known` says what each name stands for; the test waits for each lookup."""

    def __init__(self, text: str) -> None:
        self.known: dict[str, list[str]] = {}
        self.lookups = 0
        self._woken = threading.Event()
        self.addresses = Addresses(parse(text), self._woken.set, self._look_up)

    def _look_up(self, name: str, port: int) -> list[str]:
        self.lookups += 1
        if name not in self.known:
            raise OSError(None, f"{name} is unknown")
        return [f"tcp://{address}:{port}" for address in self.known[name]]

    def settle(self, now: float) -> bool:
        """Lets a lookup begin that is due now, and end; whether the addresses have changed."""
        self._woken.clear()
        before = self.lookups
        changed = self.addresses.tick(now)
        if self.addresses.seconds_to_wait(now) is None:
            assert self._woken.wait(20)
            changed |= self.addresses.tick(now)
            assert self.lookups > before
        return changed


def test_fixed_endpoints_are_there_at_once_and_never_looked_up():
    names = Names("ipc:///a,tcp://h:1")
    assert names.addresses.present == ("ipc:///a", "tcp://h:1")
    assert not names.addresses.tick(0.0)
    assert names.addresses.seconds_to_wait(0.0) is None and names.lookups == 0


def test_a_name_stands_for_all_of_its_addresses_and_follows_them():
    names = Names("ipc:///a,dns+tcp://b:7")
    names.known["b"] = ["10.0.0.1", "10.0.0.2"]
    assert names.addresses.present == ("ipc:///a",)
    assert names.settle(0.0)
    assert names.addresses.present == ("ipc:///a", "tcp://10.0.0.1:7", "tcp://10.0.0.2:7")
    names.known["b"] = ["10.0.0.2", "10.0.0.3"]
    assert not names.settle(LOOK_EVERY_S - 0.1), "not yet"
    assert names.addresses.seconds_to_wait(LOOK_EVERY_S - 1) == pytest.approx(1.0)
    assert names.settle(LOOK_EVERY_S)
    assert names.addresses.present == ("ipc:///a", "tcp://10.0.0.2:7", "tcp://10.0.0.3:7")
    assert not names.settle(2 * LOOK_EVERY_S), "nothing has changed"


def test_a_lost_connection_has_names_looked_up_again_at_most_once_a_second():
    names = Names("dns+tcp://b:7")
    names.known["b"] = ["10.0.0.1"]
    assert names.settle(100.0)
    names.addresses.look_again(100.2)
    names.addresses.look_again(100.3)
    assert names.addresses.seconds_to_wait(100.3) == pytest.approx(LOOK_AGAIN_S - 0.3)
    names.settle(100.9)
    assert names.lookups == 1
    names.settle(101.0)
    assert names.lookups == 2
    names.addresses.look_again(110.0)
    names.settle(110.0)
    assert names.lookups == 3


def test_a_name_that_cannot_be_looked_up_keeps_what_it_had_and_is_complained_of_once(caplog):
    names = Names("dns+tcp://b:7")
    with caplog.at_level(logging.WARNING, "samovar"):
        assert not names.settle(0.0)
        assert not names.settle(LOOK_EVERY_S)
    assert caplog.messages == ["cannot look up dns+tcp://b:7: b is unknown"]
    names.known["b"] = ["10.0.0.1"]
    assert names.settle(2 * LOOK_EVERY_S)
    names.known.clear()
    assert not names.settle(3 * LOOK_EVERY_S)
    assert names.addresses.present == ("tcp://10.0.0.1:7",)


def test_of_too_many_addresses_those_that_are_held_stay(caplog):
    names = Names("dns+tcp://b:7")
    names.known["b"] = [f"10.0.0.{number}" for number in range(10, 26)]
    assert names.settle(0.0)
    before = names.addresses.present
    assert len(before) == 16
    names.known["b"] = [f"10.0.0.{number}" for number in range(5, 26)]
    assert not names.settle(LOOK_EVERY_S)
    assert names.addresses.present == before
    assert caplog.messages == ["21 brokers are more than 16: some are not used"]


def test_the_hosts_own_resolver_is_asked():
    assert endpoints.look_up("127.0.0.1", 7) == ["tcp://127.0.0.1:7"]
    assert endpoints.look_up("[::1]", 7) == ["tcp://[::1]:7"]
