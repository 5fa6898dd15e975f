"""samovard --http: calls as JSON, streams as events, metrics and health."""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from typing import Any

import pytest

from e2e.frozen import frozen
from e2e.keys import Keys
from e2e.processes import SAMOVARD, Broker, Scene, wait_until
from e2e.raw import CANCEL, CAP_S, Client

JSON = {"Content-Type": "application/json"}


class Web:
    """One connection to samovard's HTTP side."""

    def __init__(self, broker: Broker) -> None:
        found = re.search(r"http http://([^:\s]+):(\d+)", broker.log())
        assert found, broker.log()
        self.host, self.port = found[1], int(found[2])

    def ask(
        self, verb: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (decoded, if it is JSON) and headers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=CAP_S)
        try:
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(verb, path, data, {**(JSON if data else {}), **names})
            response = connection.getresponse()
            content = response.read().decode()
            kind = response.headers["Content-Type"] or ""
            parsed = json.loads(content) if "json" in kind else content
            return response.status, parsed, dict(response.headers)
        finally:
            connection.close()

    def call(self, method: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        status, parsed, _ = self.ask("POST", f"/v1/call/{method}", body, **headers)
        return status, parsed


@pytest.fixture
def broker(scene: Scene) -> Broker:
    return scene.broker("--http", "127.0.0.1:0")


@pytest.fixture
def web(broker: Broker) -> Web:
    return Web(broker)


def test_calls_with_arguments_by_place_and_by_name(scene: Scene, broker: Broker, web: Web) -> None:
    scene.pool(broker.backend)
    assert web.call("kitchen.add", [1]) == (200, 2)
    assert web.call("kitchen.add", {"left": 4, "right": 5}) == (200, 9)
    assert web.call("kitchen.pid")[0] == 200
    value = [None, True, -1, 2**63, 0.5, "茶", [1], {"a": {"b": 2}}]
    assert web.call("kitchen.echo", value) == (200, [value, {}])
    status, _, headers = web.ask("POST", "/v1/call/kitchen.add", [1])
    assert headers["Samovar-Worker"].startswith("kitchen/") and int(headers["Samovar-Run-Us"]) >= 0


def test_bytes_go_and_come_as_base64(scene: Scene, broker: Broker, web: Web) -> None:
    scene.pool(broker.backend)
    assert web.call("kitchen.length", [{"$bytes": "AAEC"}]) == (200, 3)
    assert web.call("kitchen.echo", [{"$bytes": "AAAA"}]) == (200, {"$bytes": "AAAA"})
    assert web.call("kitchen.zeros", [3]) == (200, "AAAA")  # its hint says that these are bytes


def test_each_error_has_its_status_and_says_what_the_broker_said(
    scene: Scene, broker: Broker, web: Web
) -> None:
    scene.pool(broker.backend)
    status, problem, headers = web.ask("POST", "/v1/call/kitchen.fail", ["no tea"])
    assert status == 500 and headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "app_error" and problem["exception"] == "ValueError"
    assert "no tea" in problem["detail"] and "Traceback" not in json.dumps(problem)
    assert web.call("kitchen.nothing", [])[0] == 400
    status, problem = web.call("kitchen.nap", [5], Samovar_Timeout="50ms")
    assert (status, problem["code"], problem["where"]) == (504, "deadline_exceeded", "running")
    status, problem = web.call("kitchen.die", ["SIGKILL"])
    assert (status, problem["code"], problem["retryable"]) == (502, "worker_lost", False)


def test_an_overloaded_call_says_when_to_come_again(scene: Scene) -> None:
    config = "[limits]\nmax_requests_per_second_per_client = 1\n"
    broker = scene.broker("--http", "127.0.0.1:0", config=config)
    scene.pool(broker.backend)
    web = Web(broker)
    answers = [web.ask("POST", "/v1/call/kitchen.add", [1]) for _ in range(3)]
    status, problem, headers = answers[-1]
    assert status == 429 and int(headers["Retry-After"]) >= 1 and problem["retry_after_s"] > 0
    assert problem["code"] == "overloaded" and problem["retryable"]


@pytest.mark.parametrize(
    "verb, path, body, headers, status, words",
    [
        ("GET", "/v1/call/kitchen.add", None, {}, 404, "there is no GET"),
        ("GET", "/nowhere", None, {}, 404, "POST /v1/call/SERVICE.METHOD"),
        (
            "POST",
            "/v1/call/kitchen.add",
            "[1]",
            {"Content_Type": "text/plain"},
            415,
            "application/json",
        ),
        ("POST", "/v1/call/kitchen.add", "{no", {}, 400, "JSON array"),
        ("POST", "/v1/call/kitchen.add", "7", {}, 400, "JSON array"),
        ("POST", "/v1/call/kitchen.add", "[1]", {"Samovar_Timeout": "soon"}, 400, "no duration"),
        ("POST", "/v1/call/kitchen.add", "[1]", {"Samovar_Priority": "first"}, 400, "urgent"),
        ("POST", "/v1/call/kitchen.add", "[1]", {"Samovar_Idempotent": "1"}, 400, "true or false"),
        ("POST", "/v1/call/no-method", "[]", {}, 400, "SERVICE.METHOD"),
        ("GET", "/metrics", None, {"Host": "evil.example"}, 403, "not this server's name"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    web: Web, verb: str, path: str, body: Any, headers: dict[str, str], status: int, words: str
) -> None:
    got, problem, _ = web.ask(verb, path, body, **headers)
    assert got == status
    assert words in problem["detail"] and problem["status"] == status


def test_a_body_beyond_the_limit_is_too_large(scene: Scene) -> None:
    config = '[http]\nlisten = "127.0.0.1:0"\nmax_body = 2000\n'
    broker = scene.broker(config=config)
    status, problem = Web(broker).call("kitchen.length", ["x" * 5000])
    assert status == 413 and problem["code"] == "too_large"


# --- callers that hang up -----------------------------------------------------------------------------------


def begin(web: Web, path: str) -> http.client.HTTPConnection:
    """A request whose answer is not waited for."""
    connection = http.client.HTTPConnection(web.host, web.port, timeout=CAP_S)
    connection.request("POST", path, "[]", {**JSON, "Samovar-Timeout": "1h"})
    return connection


def hang_up(connection: http.client.HTTPConnection) -> None:
    """At once, although an answer may have been begun."""
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_a_caller_that_hangs_up_cancels_its_call(broker: Broker, web: Web) -> None:
    worker = broker.worker()
    worker.ready("tea", methods={"brew": {"cancel": True}}, credit=1)
    running = begin(web, "/v1/call/tea.brew")
    (item,) = worker.take()
    queued = begin(web, "/v1/call/tea.brew")
    broker.wait_for_queued("tea", 1)
    hang_up(queued)
    broker.wait_for_queued("tea", 0)
    hang_up(running)
    assert worker.expect(CANCEL).rest == [item.id]


@pytest.mark.parametrize("items", [0, 1])
def test_a_reader_that_hangs_up_while_there_is_no_item_cancels_its_stream(
    broker: Broker, web: Web, items: int
) -> None:
    worker = broker.worker()
    worker.ready("tea", methods={"pour": {"stream": True, "cancel": True}})
    reader = begin(web, "/v1/stream/tea.pour")
    (item,) = worker.take()
    if items:
        worker.item(item, 0, "cup")
        assert reader.getresponse().readline() == b'data: "cup"\n'
    hang_up(reader)
    assert worker.expect(CANCEL).rest == [item.id]


# --- streams ---------------------------------------------------------------------------------------------


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("event", ""), json.loads(fields["data"])))
    return found


def test_a_stream_comes_as_server_sent_events(scene: Scene, broker: Broker, web: Web) -> None:
    scene.pool(broker.backend, "brook:service")
    status, text, headers = web.ask("POST", "/v1/stream/brook.count", [100])
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    assert events(text) == [*(("", number) for number in range(100)), ("end", None)]
    _, text, _ = web.ask("POST", "/v1/stream/brook.fall", [2])
    *items, (last, problem) = events(text)
    assert items == [("", 0), ("", 1)] and last == "error" and problem["code"] == "app_error"
    status, problem, _ = web.ask("POST", "/v1/stream/brook.nothing", [])
    assert status == 400


def test_a_reader_that_leaves_ends_its_stream(scene: Scene, broker: Broker, web: Web) -> None:
    scene.pool(broker.backend, "brook:service")
    connection = http.client.HTTPConnection(web.host, web.port, timeout=CAP_S)
    connection.request("POST", "/v1/stream/brook.count", "[100000000]", JSON)
    assert connection.getresponse().read(100)
    assert broker.status()["services"][0]["in_flight"] == 1
    connection.close()
    wait_until(lambda: broker.status()["services"][0]["in_flight"] == 0, "it still runs")


# --- metrics and health ------------------------------------------------------------------------------------

SAMPLE = re.compile(r'^([a-z_:]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (-?[0-9.e+-]+)$')


def samples(web: Web) -> dict[str, float]:
    status, text, headers = web.ask("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, families = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in families, "a family comes in two pieces"
            families.add(family)
        elif not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            name = re.sub("_(bucket|sum|count)$", "", match[1])
            assert name in families or match[1] in families, f"{line}: of no family"
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_metrics_are_the_truth(scene: Scene, broker: Broker, web: Web, client: Client) -> None:
    scene.pool(broker.backend, "kitchen:service", 2)
    broker.wait_for_workers("kitchen", 2)
    for _ in range(5):
        client.ok("kitchen.nap", 0.002)
    client.call("kitchen.fail", "no")
    found = samples(web)
    assert found['samovar_workers{service="kitchen",state="ready"}'] == 2
    assert found['samovar_service_ready{service="kitchen"}'] == 1
    nap = 'service="kitchen",method="nap"'
    assert found['samovar_method_outcomes_total{%s,outcome="ok"}' % nap] == 5
    assert (
        found['samovar_method_outcomes_total{service="kitchen",method="fail",outcome="app_error"}']
        == 1
    )
    assert found["samovar_run_seconds_count{%s}" % nap] == 5
    assert 0.01 <= found["samovar_run_seconds_sum{%s}" % nap] < 1
    assert found['samovar_run_seconds_bucket{%s,le="0.001"}' % nap] == 0
    assert found['samovar_run_seconds_bucket{%s,le="+Inf"}' % nap] == 5
    assert found["samovar_queued_seconds_count{%s}" % nap] == 5
    assert found['samovar_queued_requests{service="kitchen"}'] == 0
    assert found["samovar_workers_lost_total"] == 0 and found["samovar_connections"] >= 3


def test_health_and_readiness_follow_the_truth(scene: Scene, broker: Broker, web: Web) -> None:
    assert web.ask("GET", "/healthz")[:2] == (200, {"status": "ok"})
    pool = scene.pool(broker.backend)
    broker.wait_for_workers("kitchen", 1)
    assert web.ask("GET", "/readyz")[:2] == (
        200,
        {"status": "ready", "services": {"kitchen": "ready"}},
    )
    pool.signal(signal.SIGTERM)
    pool.exit_code()
    status, found, _ = web.ask("GET", "/readyz")
    assert status == 503 and found["services"]["kitchen"] != "ready"


def test_health_is_red_within_a_second_while_the_loop_stands_still(
    broker: Broker, web: Web
) -> None:
    with frozen(broker.pid):
        for path in ("/healthz", "/readyz"):
            asked = time.monotonic()
            status, problem, _ = web.ask("GET", path)
            assert time.monotonic() - asked < 1
            assert status == 503 and problem["detail"]
    assert web.ask("GET", "/healthz")[0] == 200


def test_readiness_is_red_within_a_second_of_the_death_of_the_last_worker(
    scene: Scene, broker: Broker, web: Web
) -> None:
    pool = scene.pool(broker.backend)
    (worker,) = broker.wait_for_workers("kitchen", 1)
    assert web.ask("GET", "/readyz")[0] == 200
    pool.kill()  # else it would start another one
    os.kill(worker["pid"], signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: web.ask("GET", "/readyz")[0] == 503, "it stays green")
    assert time.monotonic() - killed < 1
    assert web.ask("GET", "/healthz")[0] == 200


def test_a_required_service_that_is_missing_is_not_ready(scene: Scene) -> None:
    broker = scene.broker(config='[http]\nlisten = "127.0.0.1:0"\nrequired = ["kitchen"]\n')
    web = Web(broker)
    assert web.ask("GET", "/readyz")[:2] == (
        503,
        {"status": "not ready", "services": {"kitchen": "missing"}},
    )
    scene.pool(broker.backend)
    wait_until(lambda: web.ask("GET", "/readyz")[0] == 200, "it does not become ready")


def test_calls_over_http_and_zeromq_at_the_same_time_all_end_rightly(
    scene: Scene, broker: Broker, web: Web, client: Client
) -> None:
    scene.pool(broker.backend, "kitchen:service", 2)
    wrong: list[Any] = []

    def work(number: int) -> None:
        for i in range(20):
            if (got := web.call("kitchen.add", [number + i])) != (200, number + i + 1):
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(200):
        assert client.ok("kitchen.add", number) == number + 1
    for thread in threads:
        thread.join()
    assert not wrong


# --- who may -----------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_where_one_is_configured(scene: Scene) -> None:
    token = scene.path("token")
    token.write_text("sesame\n")
    broker = scene.broker(config=f'[http]\nlisten = "127.0.0.1:0"\ntoken_file = "{token}"\n')
    scene.pool(broker.backend)
    web = Web(broker)
    for wrong in ({}, {"Authorization": "Bearer sesam"}, {"Authorization": "sesame"}):
        status, problem, headers = web.ask("POST", "/v1/call/kitchen.add", [1], **wrong)
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
    assert web.call("kitchen.add", [1], Authorization="Bearer sesame") == (200, 2)
    assert web.ask("GET", "/healthz")[0] == 200


def test_with_keys_it_calls_with_its_own(keys: Keys, scene: Scene) -> None:
    keys.samovar("keygen", "web")
    keys.allow("web", calls=["kitchen"])
    more = f'[http]\nlisten = "127.0.0.1:0"\nkey = "{scene.path("web.key")}"\n'
    broker = keys.broker(more)
    broker.pool()
    web = Web(broker.program)
    assert web.call("kitchen.add", [1]) == (200, 2)
    status, problem, _ = web.ask("GET", "/metrics")
    assert status == 403 and problem["code"] == "unauthorized"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--http", "nowhere"], "no HOST:PORT"),
        (["--http", "0.0.0.0:0"], "http.token_file"),
        (["--http", "192.0.2.1:1", "--insecure"], "http.token_file"),
    ],
)
def test_it_names_what_is_wrong_with_its_options(
    scene: Scene, options: list[str], words: str
) -> None:
    ends = ["--frontend", scene.ipc("front"), "--backend", scene.ipc("back")]
    program = scene.run(SAMOVARD, *ends, *options)
    assert program.exit_code() == 2
    [line] = program.lines("samovard:")
    assert words in line


def test_a_port_that_is_in_use_is_named(scene: Scene, broker: Broker, web: Web) -> None:
    ends = ["--frontend", scene.ipc("f2"), "--backend", scene.ipc("b2")]
    program = scene.run(SAMOVARD, *ends, "--http", f"127.0.0.1:{web.port}")
    assert program.exit_code() == 2
    [line] = program.lines("samovard:")
    assert "in use" in line and str(web.port) in line


def test_it_ends_at_once_while_callers_are_connected(broker: Broker, web: Web) -> None:
    fresh, idle, slow = (
        http.client.HTTPConnection(web.host, web.port, timeout=CAP_S) for _ in range(3)
    )
    fresh.connect()
    idle.request("GET", "/healthz")
    assert idle.getresponse().read()
    slow.connect()
    slow.send(b"POST /v1/call/tea.brew HTTP/1.1\r\n")
    broker.signal(signal.SIGTERM)
    assert broker.exit_code(cap=4) == 0  # an idle connection is kept for 5 s
    for connection in (fresh, idle, slow):
        connection.close()
