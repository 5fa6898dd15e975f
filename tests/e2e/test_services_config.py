"""samovard's configuration and endpoints, and the services that it starts by itself."""

import os
import signal
import time
from pathlib import Path

import pytest

from e2e.processes import APPS, SAMOVAR_WORKER, SAMOVARD, Broker, Scene, is_running, wait_until


def service(name: str, app: str, workers: int = 1) -> str:
    return (
        f'[[service]]\nname = "{name}"\napp = "{app}"\nworkers = {workers}\ndirectory = "{APPS}"\n'
    )


def refused(scene: Scene, *arguments: object) -> str:
    """The sentence with which samovard ends at once, with exit code 2."""
    endpoints = ["--backend", scene.ipc("back"), "--frontend", scene.ipc("front")]
    if "--frontend" in arguments:
        endpoints = []
    program = scene.run(SAMOVARD, *endpoints, *arguments, name="samovard")
    assert program.exit_code() == 2
    (line,) = program.log().splitlines()
    assert line.startswith("samovard: ")
    return line


# --- endpoints ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("side", ["frontend", "backend"])
def test_a_second_broker_on_the_same_endpoint_ends_with_a_sentence_and_the_first_lives_on(
    scene: Scene, transport: str, side: str
) -> None:
    broker = scene.broker(transport=transport)
    client = broker.client()
    front, back = (
        (broker.frontend, scene.ipc("b"))
        if side == "frontend"
        else (scene.ipc("f"), broker.backend)
    )
    for _ in range(2):
        line = refused(scene, "--frontend", front, "--backend", back)
        assert (front if side == "frontend" else back) in line
        assert "in use" in line
        assert client.ok("samovar.ping") == "pong"
        assert broker.client().ok("samovar.ping") == "pong"


def test_several_endpoints_on_each_side_are_served(scene: Scene, broker: Broker) -> None:
    ends = [scene.ipc("f1"), "tcp://127.0.0.1:0", scene.ipc("b1"), "tcp://127.0.0.1:0"]
    sides = ["--frontend", "--frontend", "--backend", "--backend"]
    options = [each for pair in zip(sides, ends, strict=True) for each in pair]
    broker = scene.broker(*options, endpoints=(scene.ipc("f0"), scene.ipc("b0")))
    assert (len(broker.frontends), len(broker.backends)) == (3, 3)
    for backend in broker.backends:
        scene.pool(backend)
    broker.wait_for_workers("kitchen", 3)
    for frontend in broker.frontends:
        broker.frontend = frontend
        assert broker.client().ok("kitchen.add", 1) == 2


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("tcp://0.0.0.0:0", "--insecure"),
        ("tcp://*:0", "--insecure"),
        ("tcp://127.0.0.1", "no endpoint"),
        ("http://127.0.0.1:1", "no endpoint"),
        ("ipc://", "no endpoint"),
        ("ipc:///no/such/directory/socket", "/no/such/directory/socket"),
        ("ipc:///tmp/" + "x" * 200, "x" * 200),
    ],
)
def test_an_endpoint_that_cannot_be_had_is_named(scene: Scene, endpoint: str, said: str) -> None:
    assert said in refused(scene, "--frontend", endpoint, "--backend", scene.ipc("back"))


# --- the file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('frontened = "x"\n', "'frontened'"),
        ("[limits]\nmax_quueued = 1\n", "'limits.max_quueued'"),
        ('[[service]]\nname = "a"\napp = "a:b"\nworker = 1\n', "'service.worker'"),
        ('[limits]\nmax_queued = "many"\n', "'limits.max_queued'"),
        ("[limits\n", ":1"),
        ('[[service]]\nname = "a"\napp = "a"\n', "module:object"),
        ('[[service]]\nname = "a"\n', "'service.app' or 'expose' or 'lines'"),
        ('[[service]]\nname = "a"\napp = "a:b"\nlines = "cat"\n', "one of them"),
        ('[[service]]\nname = "a"\nexpose = "jieba"\n', "module:function,function"),
        (service("a", "a:b") * 2, "'a' is configured twice"),
        ('[log]\nlevel = "loud"\n', "'loud'"),
        ("cpus = [1023]\n", "no CPU 1023"),
        ("cpus = [-1]\n", "'cpus'"),
    ],
)
def test_a_wrong_configuration_ends_with_a_sentence_that_names_the_thing(
    scene: Scene, text: str, said: str
) -> None:
    assert said in refused(scene, "--config", scene.config(text))


def test_a_file_that_cannot_be_read_is_named(scene: Scene) -> None:
    assert "/no/such/file.toml" in refused(scene, "--config", "/no/such/file.toml")
    assert str(scene.directory) in refused(scene, "--config", scene.directory)
    assert "--colour" in refused(scene, "--colour", "red")


def test_the_default_configuration_can_be_printed_and_read_again(scene: Scene) -> None:
    printed = scene.run(SAMOVARD, "--print-default-config")
    assert printed.exit_code() == 0
    broker = scene.broker(config=printed.log())
    assert broker.client().ok("samovar.ping") == "pong"


@pytest.mark.parametrize("from_file", [False, True])
def test_a_broker_on_some_cpus_starts_its_workers_there(scene: Scene, from_file: bool) -> None:
    cpu = max(os.sched_getaffinity(0))
    config = service("kitchen", "kitchen:service")
    if from_file:
        broker = scene.broker(config=f"cpus = [{cpu}]\n" + config)
    else:
        broker = scene.broker("--cpus", cpu, config=config)
    worker = broker.client().ok("kitchen.pid", timeout=60)
    for pid in (broker.pid, worker):
        for thread in os.listdir(f"/proc/{pid}/task"):
            assert os.sched_getaffinity(int(thread)) == {cpu}


# --- services ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_command_runs_two_services_and_ctrl_c_stops_it_all(
    scene: Scene, number: signal.Signals
) -> None:
    broker = scene.broker(
        config=service("kitchen", "kitchen:service", 2) + service("pantry", "pantry:service")
    )
    client = broker.client()
    assert client.ok("pantry.jars") == 12, "requests wait for a service that is being started"
    assert client.ok("kitchen.add", 1) == 2
    broker.wait_for_workers("kitchen", 2)
    # Samovard, supervisors, zygotes, heirs, workers; while an heir is forked there is one more.
    wait_until(lambda: len(scene.processes()) == 1 + 2 + 2 + 2 + 3, "so many processes")
    os.killpg(broker.pid, number)  # as a terminal does
    assert broker.exit_code() == 0
    wait_until(lambda: not scene.processes(), "something was left running", cap=1.0)


def test_a_service_is_known_under_the_configured_name(scene: Scene) -> None:
    broker = scene.broker(config=service("bistro", "kitchen:service"))
    assert broker.client().ok("bistro.add", 1) == 2


def test_a_killed_supervisor_is_started_again_and_queued_calls_wait_for_it(scene: Scene) -> None:
    broker = scene.broker(config=service("kitchen", "kitchen:service"))
    client = broker.client()
    worker = client.ok("kitchen.pid")
    supervisor = parent_of(worker)
    held = client.begin("kitchen.hold", "held", str(scene.path("never")))
    scene.wait_for_note("held")
    queued = [client.begin("kitchen.record", "queued") for _ in range(20)]
    broker.wait_for_queued("kitchen", 20)
    os.kill(supervisor, signal.SIGKILL)
    assert client.finish(held).word == "worker_lost"
    outcomes = client.finish_all(queued)
    assert [outcome.word for outcome in outcomes] == ["ok"] * 20, outcomes[0]
    assert not is_running(worker)
    assert client.ok("kitchen.pid") != worker


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_service_whose_app_cannot_be_loaded_is_unavailable_with_the_reason(scene: Scene) -> None:
    broker = scene.broker(
        config=service("broken", "broken:service") + service("pantry", "pantry:service")
    )
    client = broker.client()
    begun = time.monotonic()
    outcome = client.call("broken.never")
    assert outcome.word == "unavailable"
    assert "a_module_that_nobody_has" in outcome.message
    assert time.monotonic() - begun < 20
    wait_until(lambda: broker.service("broken")["state"] == "failed", "it is not shown as failed")
    assert client.ok("pantry.jars") == 12


def test_a_worker_command_that_does_not_exist_is_named_to_callers_and_in_the_log(
    scene: Scene,
) -> None:
    broker = scene.broker(
        config='worker_command = "no-such-command"\n' + service("pantry", "pantry:service")
    )
    outcome = broker.client().call("pantry.jars")
    assert outcome.word == "unavailable"
    assert "no-such-command" in outcome.message
    assert broker.lines("worker_command")


def test_a_directory_that_does_not_exist_is_named_to_callers_and_in_the_log(scene: Scene) -> None:
    block = service("pantry", "pantry:service").replace(str(APPS), "/nowhere")
    broker = scene.broker(config=block)
    outcome = broker.client().call("pantry.jars")
    assert outcome.word == "unavailable"
    assert "cannot enter its directory '/nowhere'" in outcome.message
    assert broker.lines("cannot enter its directory '/nowhere'")


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("broken:service", "a_module_that_nobody_has"),
        ("nowhere:service", "nowhere"),
        ("kitchen:larder", "larder"),
    ],
)
def test_an_app_that_cannot_be_loaded_ends_samovar_worker_with_its_reason_and_is_never_announced(
    scene: Scene, broker: Broker, app: str, said: str
) -> None:
    pool = scene.pool(broker.backend, app, wait=False)
    assert pool.exit_code() == 1
    assert said in pool.log()
    assert broker.service("broken").get("workers", []) == []
    assert not broker.ready_workers("kitchen")


def test_samovar_worker_ends_with_code_2_when_it_is_called_wrongly(scene: Scene) -> None:
    for arguments in (
        ["kitchen:service"],
        ["kitchen", "--connect", "ipc:///tmp/x"],
        ["a:b", "--connect", "x"],
    ):
        program = scene.run(SAMOVAR_WORKER, *arguments)
        assert program.exit_code() == 2
        assert program.log().startswith("samovar-worker: ")
