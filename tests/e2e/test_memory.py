"""docs/memory.md: which layouts of data stay shared between forked workers."""

import re
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from e2e.processes import ROOT, SAMOVAR_WORKER, Broker, Program, Scene
from e2e.raw import Client

PAGE = (ROOT / "docs/memory.md").read_text()
FOLDER = ROOT / "examples/memory"
ROWS = 200_000
LOOK_UPS = 50_000
MIB = 1024

Serve = Callable[[str], Program]


@pytest.fixture
def serve(scene: Scene, broker: Broker) -> Serve:
    def start(layout: str) -> Program:
        scene.env |= {"ROWS": str(ROWS), "RECORDS": str(scene.path("rows.npy"))}
        command = [SAMOVAR_WORKER, f"layouts:{layout}", "--connect", broker.backend]
        pool = scene.run(*command, "--report-memory", cwd=FOLDER, name="samovar-worker")
        pool.wait_for_line(f"{layout} ready")
        return pool

    return start


def private_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kb) for kb in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


def grown_kb(client: Client, layout: str) -> int:
    """How much more memory of its own the worker has after many look-ups at random."""
    pid = client.ok(f"{layout}.look_up", 0)
    before = private_kb(pid)
    assert client.ok(f"{layout}.look_up", LOOK_UPS) == pid
    return private_kb(pid) - before


def test_look_ups_make_objects_private_to_a_worker(serve: Serve, client: Client) -> None:
    serve("objects")
    assert client.ok("objects.get", 7) == [7, "name of 00000007", 3.5]
    assert client.ok("objects.get", ROWS) is None
    assert grown_kb(client, "objects") > 20 * MIB


def test_look_ups_leave_compact_data_shared(serve: Serve, client: Client) -> None:
    serve("compact")
    assert client.ok("compact.get", 7) == [7, "name of 00000007", 3.5]
    assert client.ok("compact.get", ROWS) is None
    assert grown_kb(client, "compact") < 2 * MIB


def test_look_ups_leave_a_mapped_file_shared(serve: Serve, client: Client, scene: Scene) -> None:
    numpy = pytest.importorskip("numpy")
    records = numpy.zeros(ROWS, dtype=[("key", "u8"), ("name", "S16"), ("value", "f8")])
    records["key"] = numpy.arange(ROWS)
    records["name"] = [f"name of {key:08x}" for key in range(ROWS)]
    records["value"] = records["key"] / 2
    numpy.save(scene.path("rows.npy"), records)
    serve("mapped")
    assert client.ok("mapped.get", 7) == [7, "name of 00000007", 3.5]
    assert client.ok("mapped.get", ROWS) is None
    assert grown_kb(client, "mapped") < 2 * MIB


def test_rows_in_an_lmdb_file_are_opened_by_each_worker(
    scene: Scene, broker: Broker, client: Client
) -> None:
    lmdb = pytest.importorskip("lmdb")
    path = str(scene.path("rows.lmdb"))
    with lmdb.open(path) as environment, environment.begin(write=True) as write:
        write.put(b"tea", msgpack.packb(["tea", 2.5]))
    scene.env |= {"RECORDS": path}
    command = [SAMOVAR_WORKER, "stored:service", "--connect", broker.backend, "--workers", 2]
    pool = scene.run(*command, cwd=FOLDER, name="samovar-worker")
    pool.wait_for_line("stored ready")
    calls = [client.begin("stored.get", "tea") for _ in range(20)]
    assert [each.value for each in client.finish_all(calls)] == [["tea", 2.5]] * 20
    assert client.ok("stored.get", "coffee") is None


def test_memory_is_reported_for_each_worker(serve: Serve, client: Client) -> None:
    assert "samovar-worker layouts:objects --workers 4 --report-memory" in PAGE
    pool = serve("objects")
    found = pool.wait_for_line(
        r"memory of worker-1: (\d+\.\d) MiB shared, (\d+\.\d) MiB its own", cap=30
    )
    assert float(found[1]) > 20 > float(found[2])
