"""Requests that kill workers are refused, saved and run again; equal calls of a pure method are run once."""

import json
from pathlib import Path
from typing import Any

import msgpack

from e2e.processes import SAMOVAR, Broker, Scene
from e2e.raw import REPLAY, Client, Outcome, Supervisor, Worker


class Pool:
    """Workers of "tea", one at a time, that die when they are told to."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.supervisor: Supervisor = broker.supervisor(name="tea-pool", token="tea-token")
        self.supervisor.pool("tea")

    def worker(self, **more: Any) -> Worker:
        worker = self.broker.worker(name="tea/worker-1", pid=4711)
        worker.ready("tea", "brew", supervisor="tea-token", **more)
        self.broker.wait_for_workers("tea", 1)
        return worker

    def dies_of(self, client: Client, *args: Any, **options: Any) -> Outcome:
        worker = self.worker(generation=1)
        call = client.begin("tea.brew", *args, **options)
        (item,) = worker.take()
        died = {"signal": 11, "reason": "was killed by signal 11", "stderr": "so hot\n"}
        self.supervisor.obituary(worker, last_started=item.id, running=True, **died)
        worker.close()
        return client.finish(call)


def test_a_request_that_kills_three_workers_is_refused_and_saved(
    scene: Scene, broker: Broker
) -> None:
    pool, client = Pool(broker), broker.client()
    for _ in range(3):
        assert pool.dies_of(client, "poison", cups=2).word == "worker_lost"
    refused = client.call("tea.brew", "poison", cups=2)
    assert refused.word == "bad_request"
    assert "3 deaths of workers" in refused.message and "samovar replay" in refused.message
    path = Path(refused.message.split("samovar replay ")[1])
    assert path.parent == scene.path("state/samovar/quarantine")
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in broker.log()
    saved = msgpack.unpackb(path.read_bytes())
    assert (saved["method"], saved["args"], saved["kwargs"]) == (
        "tea.brew",
        ["poison"],
        {"cups": 2},
    )
    assert (saved["deaths"], saved["signal"], saved["stderr"]) == (3, 11, "so hot\n")
    (entry,) = client.ok("samovar.quarantine")
    assert (entry["method"], entry["deaths"], entry["file"]) == ("tea.brew", 3, str(path))
    assert f"samovar replay {path}" in scene.samovar(broker, "status").stdout
    assert broker.counter("quarantined") == 1

    # Others are served; and it can be tried again.
    worker = pool.worker(generation=1)
    other = client.begin("tea.brew", "oolong")
    (item,) = worker.take()
    worker.reply(item, "ok")
    assert client.finish(other).word == "ok"
    replay = scene.run(SAMOVAR, "--endpoint", broker.frontend, "replay", path)
    (item,) = worker.take()
    assert (item.args, item.kwargs) == (["poison"], {"cups": 2})
    assert item.flags & REPLAY
    worker.reply(item, "still hot")
    assert replay.exit_code() == 0 and replay.log() == '"still hot"\n'


def test_another_generation_ends_the_quarantine(broker: Broker) -> None:
    pool, client = Pool(broker), broker.client()
    for _ in range(3):
        pool.dies_of(client, "poison")
    old = pool.worker(generation=1)
    assert client.call("tea.brew", "poison").word == "bad_request"
    old.close()
    broker.wait_for_workers("tea", 0)
    new = pool.worker(generation=2)
    call = client.begin("tea.brew", "poison")
    (item,) = new.take()
    new.reply(item, "cured")
    assert client.finish(call).value == "cured"
    assert client.ok("samovar.quarantine") == []


def test_attachments_are_saved_and_replayed(scene: Scene) -> None:
    state = scene.path("here")
    broker = scene.broker("--state-dir", state, config="[limits]\nquarantine_after = 1\n")
    pool, client = Pool(broker), broker.client()
    assert pool.dies_of(client, "leaf", attachments=[b"green", b"black"]).word == "worker_lost"
    worker = pool.worker(generation=1)
    assert client.call("tea.brew", "leaf", attachments=[b"green", b"black"]).word == "bad_request"
    (path,) = (state / "quarantine").iterdir()
    assert msgpack.unpackb(path.read_bytes())["attachments"] == [b"green", b"black"]
    replay = scene.run(SAMOVAR, "--endpoint", broker.frontend, "replay", path)
    message = worker.expect(2)
    assert message.attachments == [b"green", b"black"]
    worker.send(3, message.rest[1], message.rest[2], 0, 1, "ok", None)
    assert replay.exit_code() == 0


def test_a_request_that_cannot_be_saved_is_refused_all_the_same(scene: Scene) -> None:
    scene.path("file").write_text("no directory")
    broker = scene.broker(
        "--state-dir", scene.path("file"), config="[limits]\nquarantine_after = 1\n"
    )
    pool, client = Pool(broker), broker.client()
    pool.dies_of(client, "poison")
    refused = client.call("tea.brew", "poison")
    assert refused.word == "bad_request" and "flag replay" in refused.message
    assert "cannot be saved" in broker.log()


def test_only_some_saved_requests_are_kept(scene: Scene) -> None:
    state = scene.path("here")
    broker = scene.broker("--state-dir", state, config="[limits]\nquarantine_after = 1\n")
    old = state / "quarantine"
    old.mkdir(parents=True)
    for number in range(120):
        (old / f"2000-{number:03}.request").touch()
    pool, client = Pool(broker), broker.client()
    pool.dies_of(client, "poison")
    names = sorted(path.name for path in old.iterdir())
    assert len(names) == 100 and names[0] == "2000-021.request" and "tea.brew" in names[-1]


def test_replay_of_something_else_is_wrong_usage(scene: Scene, broker: Broker) -> None:
    scene.path("notes").write_text("milk, sugar")
    scene.path("map").write_bytes(msgpack.packb({"method": "a.b"}))
    for name in ("notes", "map", "nothing"):
        ran = scene.samovar(broker, "replay", scene.path(name))
        assert ran.returncode == 2 and name in ran.stderr, ran


def test_equal_calls_of_a_pure_method_are_run_once(scene: Scene, broker: Broker) -> None:
    worker = broker.worker(name="pure")
    worker.ready("tea", methods={"look": {"pure": True}}, credit=8)
    one, other = broker.client(), broker.client()
    first = one.begin("tea.look", "oolong")
    (item,) = worker.take()
    calls = [one.begin("tea.look", "oolong") for _ in range(10)]
    late = other.begin("tea.look", "oolong", timeout=0.1)
    theirs = other.begin("tea.look", "oolong", flags=2)
    broker.wait_for_counter("shared", 12)
    assert other.finish(late).word == "deadline_exceeded"
    worker.reply(item, {"price": 7})
    assert all(outcome.value == {"price": 7} for outcome in one.finish_all([first, *calls]))
    outcome = other.finish(theirs)
    assert outcome.value == {"price": 7} and outcome.ext is not None
    assert outcome.ext["worker"] == "pure"
    assert broker.counter("dispatched") == 1
    status = json.loads(scene.samovar(broker, "--json", "status").stdout)
    assert status["services"][0]["methods"][0]["outcomes"]["ok"] == 12


def test_a_pure_call_goes_on_when_its_first_caller_leaves(broker: Broker) -> None:
    worker = broker.worker()
    worker.ready("tea", methods={"look": {"pure": True}})
    one, other = broker.client(), broker.client()
    one.begin("tea.look", "oolong")
    (item,) = worker.take()
    call = other.begin("tea.look", "oolong")
    broker.wait_for_counter("shared", 1)
    one.close()
    broker.wait_for_counter("client_gone", 1)
    worker.reply(item, "green")
    assert other.finish(call).value == "green"
    assert broker.counter("dispatched") == 1
