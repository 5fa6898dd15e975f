"""samovar.Client and samovar.aio.Client with several brokers, which are real ones."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import samovar
import samovar.aio
import samovar.outgoing
from e2e.processes import Broker, Scene, wait_until
from e2e.raw import CAP_S


def two_brokers(scene: Scene) -> list[Broker]:
    """Each with a pool of its own."""
    brokers = [scene.broker(transport="tcp") for _ in range(2)]
    for broker in brokers:
        scene.pool(broker.backend)
    return brokers


class Load:
    """Calls all the time, by 8 callers, until it is stopped."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.errors: list[str] = []
        self.ended = 0
        self.stopped = False

    def count(self, reply: samovar.outgoing.Reply) -> None:
        self.used.add(reply.endpoint)
        self.ended += 1

    def with_threads(self, endpoints: list[str]) -> None:
        with samovar.Client(endpoints, timeout=CAP_S) as client:
            caller = client.options(idempotent=True)

            def keep_calling() -> None:
                while not self.stopped:
                    try:
                        self.count(caller.request("kitchen.add", (1,)))
                    except samovar.Error as error:
                        self.errors.append(str(error))

            threads = [threading.Thread(target=keep_calling) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def with_asyncio(self, endpoints: list[str]) -> None:
        async def main() -> None:
            async with samovar.aio.Client(endpoints, timeout=CAP_S) as client:
                caller = client.options(idempotent=True)

                async def keep_calling() -> None:
                    while not self.stopped:
                        try:
                            self.count(await caller.request("kitchen.add", (1,)))
                        except samovar.Error as error:
                            self.errors.append(str(error))

                await asyncio.gather(*(keep_calling() for _ in range(8)))

        asyncio.run(main())


@pytest.mark.parametrize("run", [Load.with_threads, Load.with_asyncio])
def test_idempotent_calls_see_no_error_when_a_broker_is_killed(
    scene: Scene, run: Callable[[Load, list[str]], None]
) -> None:
    brokers = two_brokers(scene)
    load = Load()
    runner = threading.Thread(target=run, args=(load, [each.frontend for each in brokers]))
    runner.start()
    try:
        wait_until(lambda: len(load.used) == 2, "one broker was never called")
        brokers[0].kill()
        before = load.ended
        wait_until(lambda: load.ended > before + 500, "calls did not go on")
    finally:
        load.stopped = True
        runner.join()
    assert load.errors == []


def test_a_call_that_its_lost_broker_held_goes_to_the_other_one(scene: Scene) -> None:
    brokers = two_brokers(scene)
    gate = scene.path("gate")

    def held(broker: Broker) -> int:
        service = broker.service("kitchen")
        return int(service["queued"] + service["in_flight"])

    with samovar.Client(",".join(each.frontend for each in brokers), timeout=CAP_S) as client:
        used = set()
        while len(used) < 2:
            used.add(client.request("kitchen.add", (1,)).endpoint)
        caller = client.options(idempotent=True)
        calls = [
            caller.begin("kitchen.hold_idempotent", (str(number), str(gate)))
            for number in range(20)
        ]
        wait_until(lambda: sum(map(held, brokers)) == 20, "not all calls came")
        assert all(held(broker) for broker in brokers)
        brokers[0].kill()
        wait_until(lambda: held(brokers[1]) == 20, "the calls never came over")
        gate.touch()
        replies = [call.reply() for call in calls]
        assert {reply.endpoint for reply in replies} == {brokers[1].frontend}
        assert {reply.attempt for reply in replies} == {1, 2}
        with pytest.raises(samovar.Error) as raised:
            client.call("kitchen.nothing")
        assert raised.value.endpoint == brokers[1].frontend


def test_a_name_stands_for_the_addresses_that_it_has(scene: Scene) -> None:
    port = scene.broker(transport="tcp").frontend.rpartition(":")[2]
    name = f"dns+tcp://localhost:{port}"
    with samovar.Client(name, timeout=CAP_S) as client:
        client.call("samovar.ping")

    async def main() -> None:
        async with samovar.aio.Client(name, timeout=CAP_S) as client:
            await client.call("samovar.ping")

    asyncio.run(main())


def test_a_name_without_an_address_is_named_in_the_error() -> None:
    with samovar.Client("dns+tcp://name.invalid:7711", timeout=0.05) as client:
        with pytest.raises(samovar.Error) as raised:
            client.call("samovar.ping")
    message = "no broker is known: dns+tcp://name.invalid:7711 has no address"
    assert str(raised.value) == f"unavailable: {message} (samovar.ping)"


def test_without_a_broker_the_error_of_a_call_names_them_all(scene: Scene) -> None:
    nowhere = [scene.ipc("one"), scene.ipc("other")]
    with samovar.Client(nowhere, timeout=0.02) as client:
        with pytest.raises(samovar.Error) as raised:
            client.call("samovar.ping")
    where = " or ".join(nowhere)
    why = f"no broker answers at {where}: is samovard running there?"
    assert str(raised.value) == f"unavailable: {why} (samovar.ping)"


def channels_of(client: Any) -> set[Any]:
    return set(client._shared._channels)


def test_a_connection_is_made_anew_when_it_is_old_and_no_call_notices(broker: Broker) -> None:
    seen = set()
    with samovar.Client(broker.frontend, timeout=CAP_S, max_connection_age=0.02) as client:
        while len(seen) < 4:
            client.call("samovar.ping")
            seen |= channels_of(client)

    async def main() -> None:
        seen = set()
        age = 0.02
        async with samovar.aio.Client(
            broker.frontend, timeout=CAP_S, max_connection_age=age
        ) as client:
            while len(seen) < 4:
                await client.call("samovar.ping")
                seen |= channels_of(client)

    asyncio.run(main())


def test_an_age_that_is_none_is_refused(broker: Broker) -> None:
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="max_connection_age"):
            samovar.Client(broker.frontend, max_connection_age=wrong)
