"""Spans of traced calls, at a collector that speaks OTLP over HTTP."""

import http.server
import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import samovar

from e2e.processes import SAMOVARD, Scene, wait_until
from e2e.test_http import Web

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def traceparent(trace: str = TRACE, flags: str = "01") -> str:
    return f"00-{trace}-{PARENT}-{flags}"


class Collector:
    """Takes POSTs in a thread, and gives the spans in them one by one."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: "queue.Queue[tuple[str, Any]]" = queue.Queue()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.bodies.put((self.path, body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def spans(self, count: int) -> dict[str, dict[str, Any]]:
        """So many spans, by their names."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            path, body = self.bodies.get(timeout=30)
            assert path == "/v1/traces"
            (resource,) = body["resourceSpans"]
            assert attributes(resource["resource"])["service.name"] == "samovard"
            (scope,) = resource["scopeSpans"]
            found += scope["spans"]
        assert len(found) == count
        return {span["name"]: span for span in found}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in of["attributes"]}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def time_of(span: dict[str, Any]) -> tuple[int, int]:
    return int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])


def test_a_traced_call_has_spans_for_its_client_its_queue_and_its_worker(
    scene: Scene, collector: Collector
) -> None:
    broker = scene.broker("--traces", collector.url)
    scene.pool(broker.backend)
    client = broker.client(name="cook")
    client.call("kitchen.echo", "plain")
    client.call("kitchen.echo", "not sampled", ext={"traceparent": traceparent(flags="00")})
    client.call("kitchen.echo", "no trace", ext={"traceparent": "00-1-2-01"})
    assert client.call("kitchen.echo", "traced", ext={"traceparent": traceparent()}).word == "ok"
    spans = collector.spans(3)
    call, queued, running = (spans[f"kitchen.echo{each}"] for each in ("", " queued", " running"))
    assert call["traceId"] == queued["traceId"] == running["traceId"] == TRACE
    assert call["parentSpanId"] == PARENT
    assert queued["parentSpanId"] == running["parentSpanId"] == call["spanId"]
    assert len({call["spanId"], queued["spanId"], running["spanId"], PARENT}) == 4
    said = attributes(call)
    assert said["samovar.client"] == "cook" and said["samovar.outcome"] == "ok"
    assert said["rpc.method"] == "kitchen.echo" and "status" not in call
    assert attributes(running)["samovar.worker"].startswith("kitchen/")
    assert time_of(call)[0] <= time_of(queued)[0] <= time_of(queued)[1] == time_of(running)[0]
    assert time_of(running)[1] == time_of(call)[1]


def test_a_call_that_fails_says_how_it_ended(scene: Scene, collector: Collector) -> None:
    broker = scene.broker("--traces", f"{collector.url}/")
    scene.pool(broker.backend)
    client = broker.client()
    client.call("kitchen.nothing", ext={"traceparent": traceparent()})
    refused = collector.spans(2)["kitchen.nothing"]
    assert refused["status"] == {"code": 2, "message": "bad_request"}
    client.call("kitchen.fail", "no", ext={"traceparent": traceparent()})
    failed = collector.spans(3)["kitchen.fail"]
    assert failed["status"] == {"code": 2, "message": "app_error"}


def test_a_collector_that_is_not_there_costs_nobody_anything(scene: Scene) -> None:
    collector = Collector(status=503)
    broker = scene.broker("--traces", collector.url)
    scene.pool(broker.backend)
    client = broker.client()
    for number in range(50):
        assert client.ok("kitchen.echo", number, ext={"traceparent": traceparent()}) == number
    wait_until(lambda: "calls were not taken by" in broker.log(), "the log says so")
    collector.close()
    assert client.ok("kitchen.echo", 7, ext={"traceparent": traceparent()}) == 7


def test_an_endpoint_that_is_none_is_refused(scene: Scene) -> None:
    anywhere = ["--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0"]
    program = scene.run(SAMOVARD, *anywhere, "--traces", "https://example.org", name="samovard")
    assert program.exit_code() == 2
    assert "traces.endpoint 'https://example.org' is not http://HOST:PORT" in program.log()


def test_callers_in_python_and_over_http_are_traced(scene: Scene, collector: Collector) -> None:
    broker = scene.broker("--traces", collector.url, "--http", "127.0.0.1:0")
    scene.pool(broker.backend)
    with samovar.Client(broker.frontend) as client:
        assert client.options(traceparent=traceparent()).kitchen.add(1) == 2
    assert attributes(collector.spans(3)["kitchen.add"])["samovar.outcome"] == "ok"
    other = TRACE[::-1]
    assert Web(broker).call("kitchen.add", [1], traceparent=traceparent(other)) == (200, 2)
    assert collector.spans(3)["kitchen.add running"]["traceId"] == other
