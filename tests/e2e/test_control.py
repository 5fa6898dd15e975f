"""What runs pools: reload, scale, crashes, status. Supervisors and workers are the test's own."""

import json
import time
from typing import Any

from e2e.processes import SAMOVAR, Broker, Program, Scene, wait_until
from e2e.raw import Supervisor, Worker


def begin(scene: Scene, broker: Broker, *arguments: object) -> Program:
    return scene.run(SAMOVAR, "--endpoint", broker.frontend, *arguments, name="samovar")


def pool_of(broker: Broker, service: str = "tea", **more: Any) -> Supervisor:
    supervisor = broker.supervisor(name=f"{service}-pool", token=f"{service}-token")
    supervisor.pool(service, **more)
    return supervisor


def worker_of(broker: Broker, supervisor: Supervisor, *methods: str, **more: Any) -> Worker:
    worker = broker.worker(name="tea/worker-1", pid=4711)
    worker.ready("tea", *(methods or ("brew",)), supervisor=supervisor.token, **more)
    broker.wait_for_workers("tea", 1)
    return worker


def die(broker: Broker, supervisor: Supervisor, worker: Worker, **more: Any) -> None:
    died = broker.counter("workers_lost")
    supervisor.obituary(worker, **more)
    worker.close()
    broker.wait_for_counter("workers_lost", died + 1)


def test_a_reload_waits_for_the_supervisor_and_tells_what_it_said(
    scene: Scene, broker: Broker
) -> None:
    supervisor = pool_of(broker)
    program = begin(scene, broker, "reload", "tea")
    command = supervisor.command()
    assert command["command"] == "reload"
    assert program.is_running()
    supervisor.done(command, message="generation 2 serves", result={"load_ms": 1634})
    assert program.exit_code() == 0
    assert program.log() == "tea: generation 2 serves (load_ms 1634)\n"


def test_a_reload_that_fails_says_why_with_an_exit_code(scene: Scene, broker: Broker) -> None:
    supervisor = pool_of(broker)
    program = begin(scene, broker, "reload", "tea")
    supervisor.done(supervisor.command(), ok=False, message="ValueError: no leaves")
    assert program.exit_code() == 1
    assert "app_error: reload of service 'tea' failed: ValueError: no leaves" in program.log()


def test_a_reload_whose_supervisor_dies_is_lost_at_once(scene: Scene, broker: Broker) -> None:
    supervisor = pool_of(broker)
    program = begin(scene, broker, "reload", "tea")
    supervisor.command()
    began = time.monotonic()
    supervisor.close()
    assert program.exit_code() == 8
    assert "worker_lost" in program.log() and "supervisor is gone" in program.log()
    assert time.monotonic() - began < 5


def test_a_reload_has_a_deadline(scene: Scene, broker: Broker) -> None:
    supervisor = pool_of(broker)
    ran = scene.samovar(broker, "--timeout", "200ms", "reload", "tea")
    assert ran.returncode == 7 and "deadline_exceeded" in ran.stderr
    supervisor.done(supervisor.command())
    assert broker.client().ok("samovar.ping") == "pong"


def test_scale_hands_the_number_on(scene: Scene, broker: Broker) -> None:
    supervisor = pool_of(broker)
    program = begin(scene, broker, "--json", "scale", "tea", 8)
    command = supervisor.command()
    assert (command["command"], command["args"]) == ("scale", [8])
    supervisor.done(command, result={"workers": 8, "before": 4})
    assert program.exit_code() == 0
    (pool,) = json.loads(program.log())["pools"]
    assert pool["result"] == {"workers": 8, "before": 4}


def test_commands_that_nobody_can_carry_out_say_what_to_do(scene: Scene) -> None:
    broker = scene.broker(config="[deadlines]\nstartup_grace_ms = 0\n")
    lone = broker.worker()
    lone.ready("lone", "m")
    broker.wait_for_workers("lone", 1)
    for service, word, way_out in (
        ("nobody", "no_service", "samovar services"),
        ("lone", "unavailable", "samovar-worker"),
    ):
        ran = scene.samovar(broker, "reload", service)
        assert ran.returncode != 0 and word in ran.stderr and way_out in ran.stderr, ran
    pools = [pool_of(broker), pool_of(broker)]
    ran = scene.samovar(broker, "scale", "tea", 2)
    assert "bad_request" in ran.stderr and "2 pools" in ran.stderr
    assert scene.samovar(broker, "scale", "tea", 0).returncode == 2
    assert len(pools) == 2


def test_two_pools_reload_together(broker: Broker) -> None:
    one, other = pool_of(broker), pool_of(broker)
    client = broker.client()
    call = client.begin("samovar.reload", service="tea")
    one.done(one.command(), message="one")
    other.done(other.command(), message="other")
    outcome = client.finish(call)
    assert outcome.word == "ok"
    assert {pool["message"] for pool in outcome.value["pools"]} == {"one", "other"}


def test_who_asks_about_a_service_that_there_is_not_hears_it(scene: Scene, broker: Broker) -> None:
    for command in ("crashes", "errors", "reload"):
        done = scene.samovar(broker, command, "coffee")
        assert (done.returncode, done.stdout) == (4, "")
        assert "no service 'coffee': " in done.stderr and "samovar services" in done.stderr
    pool_of(broker)
    wait_until(lambda: broker.service("tea"), "its pool is not there")
    assert "no worker of 'tea' has died" in scene.samovar(broker, "crashes", "tea").stdout


def test_pools_that_announce_different_schemas_are_told_of(scene: Scene, broker: Broker) -> None:
    def ready(number: int) -> Worker:
        worker = broker.worker()
        methods: dict[str, Any] = {
            "samovar_schema": 1,
            "service": "tea",
            "hash": number,
            "methods": {},
        }
        worker.ready("tea", "brew", schema=methods)
        return worker

    workers = [ready(1), ready(1)]
    broker.wait_for_workers("tea", 2)
    assert broker.service("tea")["schemas"] == 1
    assert "different schemas" not in scene.samovar(broker, "status").stdout
    workers += [ready(2), ready(1)]
    broker.wait_for_workers("tea", 4)
    assert broker.service("tea")["schemas"] == 2
    assert "workers of tea announce 2 different schemas" in scene.samovar(broker, "status").stdout
    assert len(broker.lines("workers of service 'tea' announce different schemas")) == 1


def test_crashes_tell_how_workers_died_and_what_ran(scene: Scene, broker: Broker) -> None:
    assert "no worker has died" in scene.samovar(broker, "crashes").stdout
    supervisor = pool_of(broker)
    worker = worker_of(broker, supervisor, generation=3)
    client = broker.client()
    call = client.begin("tea.brew", "oolong")
    (item,) = worker.take()
    before = time.time()
    die(
        broker,
        supervisor,
        worker,
        pid=4711,
        signal=9,
        reason="was killed: it ran past its hard limit",
        stderr="the kettle\nis hot\n",
        stack='File "tea.py", line 7 in brew',
        last_started=item.id,
        running=True,
    )
    lost = client.finish(call)
    assert lost.word == "worker_lost"
    assert lost.value["stack"] == 'File "tea.py", line 7 in brew'
    (crash,) = json.loads(scene.samovar(broker, "--json", "crashes", "tea").stdout)
    assert crash["running"] == ["tea.brew"]
    assert (crash["service"], crash["worker"], crash["pid"]) == ("tea", "tea/worker-1", 4711)
    assert (crash["signal"], crash["generation"]) == (9, 3)
    assert before - 1 <= crash["when"] <= time.time() + 1
    shown = scene.samovar(broker, "crashes").stdout
    for text in ("hard limit", "    is hot", "line 7 in brew", "it ran: tea.brew", "pid 4711"):
        assert text in shown


def test_a_verbose_call_shows_the_stack(scene: Scene, broker: Broker) -> None:
    supervisor = pool_of(broker)
    worker = worker_of(broker, supervisor)
    program = begin(scene, broker, "--verbose", "call", "tea.brew")
    worker.take()
    die(broker, supervisor, worker, signal=9, stack="line 7 in brew")
    assert program.exit_code() == 8
    assert "line 7 in brew" in program.log()


def test_status_shows_pools_and_their_processes(scene: Scene, broker: Broker) -> None:
    worker = {"name": "worker-1", "pid": 4711, "state": "ready", "generation": 2}
    memory = {"requests": 99, "shared_kb": 410_000, "private_kb": 12_000, "pss_kb": 120_000}
    detail = {
        "generation": 2,
        "spares": 1,
        "workers": [{**worker, **memory}, worker],
        "last_reload": {"ok": False, "message": "no leaves\nTraceback ..."},
        "of another version": [b"bytes", None],
    }
    supervisor = pool_of(broker, wanted=4, alive=2, restarts=3, detail=detail)
    supervisor.send(15 + 1, {"id": 5, "ok": True})  # an answer that nobody waits for
    broken = pool_of(broker, "coffee", state="failed", reason="no beans\n  File coffee.py")
    shown = scene.samovar(broker, "status").stdout
    for text in ("2 of 4", "410", "120", "worker-1", "failed: no leaves", "File coffee.py"):
        assert text in shown, shown
    (pool,) = broker.service("tea")["pools"]
    assert pool["detail"]["workers"] == detail["workers"]
    assert pool["supervisor"] == "tea-pool"
    assert broken.epoch


def test_what_runs_at_the_same_time_is_sent_at_once(broker: Broker) -> None:
    worker = broker.worker()
    worker.ready("tea", "brew", credit=8, concurrency=3)
    client = broker.client()
    calls = [client.begin("tea.brew", kind) for kind in range(5)]
    items = worker.take()
    while len(items) < 3:
        items += worker.take()
    assert [item.args for item in items] == [[0], [1], [2]]
    for item in reversed(items):
        worker.reply(item, item.args[0])
    items = worker.take()
    while len(items) < 2:
        items += worker.take()
    for item in items:
        worker.reply(item, item.args[0])
    assert [outcome.value for outcome in client.finish_all(calls)] == [0, 1, 2, 3, 4]


def test_what_a_request_leaves_open_is_what_its_method_declares(broker: Broker) -> None:
    worker = broker.worker()
    methods = {"slow": {"timeout_us": 200_000}, "urgent": {"priority": 0}, "other": {}}
    worker.ready("tea", methods=methods)
    broker.wait_for_workers("tea", 1)
    client = broker.client()
    first = client.begin("tea.other")
    (held,) = worker.take()
    assert client.call("tea.slow", timeout=0).word == "deadline_exceeded"
    later = client.begin("tea.other")
    urgent = client.begin("tea.urgent")
    broker.wait_for_queued("tea", 2)
    worker.reply(held, 1)
    (item,) = worker.take()
    assert item.method == "tea.urgent"
    worker.reply(item, 2)
    (item,) = worker.take()
    worker.reply(item, 3)
    assert [outcome.value for outcome in client.finish_all([first, urgent, later])] == [1, 2, 3]
