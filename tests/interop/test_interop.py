"""Every client against every kind of method, error and stream: the cross product of table.json and clients.py.

A cell that a client cannot ask says why (`cannot`); then the client is not asked.
"""

import copy
import datetime
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from e2e.keys import Keys
from e2e.processes import SAMOVAR_WORKER, Broker, Scene, wait_until
from interop.clients import CLIENTS, NODE_CLIENT, Answer, Cell

HERE = Path(__file__).parent
TABLE: dict[str, list[Cell]] = json.loads((HERE / "table.json").read_text(encoding="utf-8"))
SERVICES = ("service", "busy", "full", "mortal", "empty")
CONFIG = """
[deadlines]
startup_grace_ms = 1
no_worker_grace_ms = 300
[limits]
max_body = 1000000
max_queued = 1
"""


class Kitchen:
    """A broker with all services of service.py: one is busy, one is full, one has lost its workers."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.gate = scene.path("gate")
        self.broker = scene.broker("--http", "127.0.0.1:0", config=CONFIG)
        pools = {name: self.pool(self.broker, name) for name in SERVICES}
        self.client = client = self.broker.client()  # whose calls go with it
        client.begin("busy.hold", str(self.gate), timeout=3600)
        client.begin("full.hold", str(self.gate), timeout=3600)
        for name in ("busy", "full"):
            wait_until(
                lambda name=name: self.broker.service(name)["in_flight"] == 1, f"{name} is not"
            )
        client.begin("full.hold", str(self.gate), timeout=3600)
        self.broker.wait_for_queued("full", 1)
        pools["empty"].stop()

    def pool(self, broker: Broker, name: str) -> Any:
        program = self.scene.run(
            *self.worker(name, broker), cwd=HERE, name=f"samovar-worker-{name}"
        )
        program.wait_for_line(r"^samovar-worker: .* ready ")
        return program

    @staticmethod
    def worker(name: str, broker: Broker) -> list[Any]:
        return [SAMOVAR_WORKER, f"service:{name}", "--connect", broker.backend, "--workers", "1"]


@pytest.fixture(scope="module")
def kitchen() -> Iterator[Kitchen]:
    directory = Path(tempfile.mkdtemp(prefix="samovar-interop-"))
    context: zmq.Context[Any] = zmq.Context()
    scene = Scene(directory, context)
    try:
        kitchen = Kitchen(scene)
        yield kitchen
        kitchen.gate.touch()
    finally:
        context.destroy(linger=0)
        scene.end()
        shutil.rmtree(directory)


def cells(kind: str) -> Iterator[Any]:
    for cell in TABLE[kind]:
        for client in CLIENTS:
            marks = []
            if client == "node" and not NODE_CLIENT.exists():
                marks.append(pytest.mark.skip(reason="script/node has not built it"))
            if client not in cell.get("cannot", {}):
                yield pytest.param(client, cell, id=f"{client}-{cell['name']}", marks=marks)


def normal(value: Any) -> Any:
    """Equal for values that mean the same: instants, integers that JavaScript writes as text."""
    if isinstance(value, list):
        return [normal(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$int" in value:
        return int(value["$int"])
    if "$timestamp" in value:
        return datetime.datetime.fromisoformat(value["$timestamp"])
    return {key: normal(each) for key, each in value.items()}


def with_file(cell: Cell, file: Path) -> Cell:
    """The cell with the file in place of BEGUN, which its handler makes when it begins."""
    cell = copy.deepcopy(cell)
    cell["args"] = [str(file) if each == "BEGUN" else each for each in cell.get("args", [])]
    return cell


def check_failure(answer: Answer, cell: Cell) -> None:
    assert answer.get("code") == cell.get("code"), answer
    if "type" in cell:
        assert answer["type"] == cell["type"]
    if "where" in cell and "where" in answer:
        assert answer["where"] == cell["where"]


@pytest.mark.parametrize(("client", "cell"), cells("calls"))
def test_call(client: str, cell: Cell, kitchen: Kitchen) -> None:
    answer = CLIENTS[client](kitchen.scene, kitchen.broker).ask(cell, None)
    assert "code" not in answer, answer
    result = cell.get("results", {}).get(client, cell["result"])  # where its form is another
    assert normal(answer["value"]) == normal(result)
    if "replies" in cell:
        assert answer["replies"] == cell["replies"]


@pytest.mark.parametrize(("client", "cell"), cells("errors"))
def test_error(client: str, cell: Cell, kitchen: Kitchen, request: pytest.FixtureRequest) -> None:
    if "broker" in cell:
        answer = ask_another(client, cell, request.getfixturevalue("scene"), kitchen)
    else:
        begun = Path(tempfile.mkdtemp(dir=kitchen.scene.directory)) / "begun"
        go = begun if cell.get("cancel") else None
        answer = CLIENTS[client](kitchen.scene, kitchen.broker).ask(with_file(cell, begun), go)
        # Where the machine has no time for the broker, a client ends its call by itself, 100 ms late.
        for _ in range(5):
            if answer.get("where") != "client" or cell.get("code") != "deadline_exceeded":
                break
            answer = CLIENTS[client](kitchen.scene, kitchen.broker).ask(with_file(cell, begun), go)
    check_failure(answer, cell)


def locked_broker(scene: Scene) -> Broker:
    """Takes no client without a key; its HTTP side has one that may call nothing."""
    keys = Keys(scene)
    keys.samovar("keygen", "web")
    keys.allow("web", calls=[])
    web = f'[http]\nlisten = "127.0.0.1:0"\nkey = "{scene.path("web.key")}"\n'
    return keys.broker(web).program


def ask_another(client: str, cell: Cell, scene: Scene, kitchen: Kitchen) -> Answer:
    """At a broker of its own: one that wants a key, or one that is killed when the call runs."""
    if cell["broker"] == "locked":
        return CLIENTS[client](scene, locked_broker(scene)).ask(cell, None)
    broker = scene.broker()
    pool = scene.run(*kitchen.worker("service", broker), cwd=HERE, name="samovar-worker")
    pool.wait_for_line(r"^samovar-worker: .* ready ")
    begun = scene.path("begun")
    answers: list[Answer] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            CLIENTS[client](scene, broker).ask(with_file(cell, begun), None)
        )
    )
    asking.start()
    wait_until(begun.exists, "the call never ran")
    broker.kill()
    asking.join()
    return answers[0]


@pytest.mark.parametrize(("client", "cell"), cells("streams"))
def test_stream(client: str, cell: Cell, kitchen: Kitchen) -> None:
    if "notes" in cell:
        kitchen.scene.ledger.unlink(missing_ok=True)
    answer = CLIENTS[client](kitchen.scene, kitchen.broker).ask({**cell, "stream": True}, None)
    if "items" in cell:
        assert answer["items"] == cell["items"]
    else:
        assert len(answer["items"]) == cell["length"]
        assert sum(answer["items"]) == cell["sum"]
    check_failure(answer, cell)
    if "notes" in cell:
        kitchen.scene.wait_for_note(cell["notes"])


def test_each_reason_is_of_a_client_that_there_is() -> None:
    for cell in (cell for kind in TABLE.values() for cell in kind):
        assert set(cell.get("cannot", {})) <= set(CLIENTS)
        assert all(cell.get("cannot", {}).values())
