"""One call after the other: values, errors, large bodies, attachments, what handlers print."""

import pytest

from e2e.processes import Broker, Program, Scene
from e2e.raw import METADATA, REQUEST, Client, now_us

MIB = 1 << 20


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_call_returns_what_the_handler_returned(scene: Scene, transport: str) -> None:
    broker = scene.broker(transport=transport)
    scene.pool(broker.backend)
    client = broker.client()
    value = [
        None,
        True,
        -(2**63),
        2**64 - 1,
        1.5,
        "茶",
        b"\x00\xff",
        {"a": [1, {"b": 2}]},
        {7: "x"},
    ]
    assert client.ok("kitchen.echo", value) == value
    assert client.ok("kitchen.add", 40, right=2) == 42


def test_a_bundle_of_requests_is_answered_item_by_item(pool: Program, client: Client) -> None:
    items = []
    for number in range(300):
        method = "kitchen.add" if number % 3 else "kitchen.fail"
        items += [number + 1000, 1, 0, 30_000_000, method, [number], None, None]
    client.outstanding.update(range(1000, 1300))
    client.send(REQUEST, now_us(), *items)
    for number, outcome in enumerate(client.finish_all(range(1000, 1300))):
        if number % 3:
            assert (outcome.word, outcome.value) == ("ok", number + 1)
        else:
            assert outcome.word == "app_error"


def test_an_exception_becomes_app_error_with_type_message_and_traceback(
    pool: Program, client: Client
) -> None:
    outcome = client.call("kitchen.fail", "no tea left")
    assert outcome.word == "app_error"
    assert outcome.value["type"] == "ValueError"
    assert "no tea left" in outcome.message
    assert "in fail" in outcome.value["traceback"]
    assert "kitchen.py" in outcome.value["traceback"]
    assert client.call("kitchen.leave").value["type"] == "SystemExit"
    assert client.ok("kitchen.add", 1) == 2


def test_tracebacks_can_be_hidden(scene: Scene, broker: Broker, client: Client) -> None:
    scene.pool(broker.backend, "kitchen:service", 1, "--hide-tracebacks")
    outcome = client.call("kitchen.fail", "no tea left")
    assert outcome.value["type"] == "ValueError"
    assert not outcome.value.get("traceback")


def test_what_a_handler_prints_changes_nothing(pool: Program, client: Client) -> None:
    for _ in range(5):
        assert client.ok("kitchen.noisy") == "quiet"
    assert client.ok("kitchen.echo", "still here") == "still here"
    for said in ("from print", "from stderr", "from descriptor 1", "from C", "from warnings"):
        pool.wait_for_line(rf"^\[kitchen/worker-1(?: request \d+\??)?\] .*{said}")


def test_what_python_prints_is_marked_with_its_request(pool: Program, client: Client) -> None:
    client.ok("kitchen.noisy")
    first = int(pool.wait_for_line(r"worker-1 request (\d+)\] from print")[1])
    client.ok("kitchen.noisy")
    pool.wait_for_line(rf"worker-1 request {first + 1}\] from print")
    pool.wait_for_line(rf"worker-1 request {first + 1}\] from stderr")


def test_a_result_that_cannot_be_encoded_is_an_app_error_that_names_the_type(
    pool: Program, client: Client
) -> None:
    outcome = client.call("kitchen.some_set")
    assert outcome.word == "app_error"
    assert "set" in outcome.message
    assert client.ok("kitchen.add", 1) == 2


def test_64_mib_go_both_ways(pool: Program, client: Client) -> None:
    assert client.ok("kitchen.length", bytes(64 * MIB)) == 64 * MIB
    assert client.ok("kitchen.zeros", 64 * MIB) == bytes(64 * MIB)


def test_attachments_go_both_ways_in_their_order(pool: Program, client: Client) -> None:
    buffers = [b"one", b"", b"three" * 1000]
    outcome = client.call("kitchen.mirror", attachments=buffers)
    assert outcome.value == [3, 0, 5000]
    assert outcome.attachments == buffers[::-1]


def test_an_attachment_of_64_mib_goes_both_ways(pool: Program, client: Client) -> None:
    large = bytes(range(256)) * (64 * MIB // 256)
    outcome = client.call("kitchen.mirror", attachments=[b"small", large])
    assert outcome.value == [5, 64 * MIB]
    assert outcome.attachments == [large, b"small"]


def test_wrong_calls_are_told_what_is_wrong(pool: Program, client: Client) -> None:
    outcome = client.call("kitchen.samovar")
    assert outcome.word == "bad_request"
    assert "'samovar'" in outcome.message and "add" in outcome.message
    assert client.call("kitchen.add").word == "bad_request"
    assert client.call("kitchen.add", 1, wrong=2).word == "bad_request"
    assert client.call("nonsense").word == "bad_request"
    assert client.call("samovar.boil").word == "bad_request"


def test_a_service_that_nobody_has_is_no_service(scene: Scene) -> None:
    broker = scene.broker(config="[deadlines]\nstartup_grace_ms = 0\n")
    outcome = broker.client().call("nobody.home")
    assert outcome.word == "no_service"
    assert "'nobody'" in outcome.message


def test_metadata_comes_with_the_reply_when_it_is_asked_for(pool: Program, client: Client) -> None:
    outcome = client.call("kitchen.nap", 0.05, flags=METADATA)
    assert outcome.ext is not None
    assert outcome.ext["worker"] == "kitchen/worker-1"
    assert outcome.ext["queued_us"] >= 0
    assert outcome.run_us >= 50_000
    assert not client.call("kitchen.nap", 0.0).ext


def test_the_broker_answers_ping_services_and_status(
    pool: Program, client: Client, broker: Broker
) -> None:
    assert client.ok("samovar.ping") == "pong"
    (service,) = client.ok("samovar.services")
    assert (service["name"], service["state"], service["workers"]) == ("kitchen", "ready", 1)
    assert "echo" in service["methods"]
    status = client.ok("samovar.status")
    assert status["broker"]["state"] == "serving"
    assert any(broker.frontend in endpoint for endpoint in status["broker"]["endpoints"])


def test_a_thousand_clients_at_once_each_get_their_own_answer(scene: Scene, broker: Broker) -> None:
    scene.pool(broker.backend, "kitchen:service", 2)
    clients = [broker.client(say_hello=False) for _ in range(1000)]
    for client in clients:
        client.hello()
    assert broker.status()["clients"] >= 1000
    calls = [client.begin("kitchen.echo", f"cup {number}") for number, client in enumerate(clients)]
    for number, (client, call) in enumerate(zip(clients, calls, strict=True)):
        outcome = client.finish(call)
        assert (outcome.word, outcome.value) == ("ok", f"cup {number}")
    for client in clients:
        client.close()
