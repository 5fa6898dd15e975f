"""samovar-worker as a whole: deaths, obituaries, restarts, stops, and apps that do not load."""

import os
import signal
import time

import pytest


def test_a_killed_worker_gets_an_obituary_and_a_successor_at_once(broker, start, tmp_path):
    pool = start()
    worker = broker.worker()
    before = broker.call(worker, broker.item("desk.echo", 1))[0].id
    ids = broker.dispatch(
        worker,
        broker.item("desk.echo", 1),
        broker.item("desk.wait_for_file", str(tmp_path / "never")),
        broker.item("desk.echo", 2),
    )
    # The first reply may wait for its bundle: so wait for the board, through the next bundle's obituary.
    pid = worker.ready["pid"]
    broker.wait(lambda: _sleeps(pid), "the handler to run")
    killed_at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    obituary = broker.obituary()
    assert time.monotonic() - killed_at < 1.0
    assert obituary["worker_epoch"] == worker.epoch
    assert obituary["pid"] == pid
    assert obituary["signal"] == signal.SIGKILL
    assert "exit_code" not in obituary
    assert before < obituary["last_started"] == ids[1]
    assert obituary["running"] is True
    assert obituary["reason"].startswith("was ended by signal 9 (SIGKILL)")
    successor = broker.worker(not_pid=pid)
    assert broker.call(successor, broker.item("desk.echo", 1))[0].value == 1
    pool.read_until(f"worker desk/worker-1 (pid {pid}) was ended by signal 9 (SIGKILL)")


def _sleeps(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as file:
        return "nanosleep" in file.read()


@pytest.mark.parametrize("how", ["kill", "segv", "exit"])
def test_an_obituary_says_how_the_worker_ended_and_its_last_words(broker, start, how):
    start()
    worker = broker.worker()
    [id_] = broker.dispatch(worker, broker.item("desk.die", how))
    obituary = broker.obituary()
    assert obituary.get("signal") == {"kill": 9, "segv": 11, "exit": None}[how]
    assert obituary.get("exit_code") == {"kill": None, "segv": None, "exit": 7}[how]
    assert obituary["last_started"] == id_
    assert obituary["running"] is True
    assert obituary["stderr"].startswith("last words")
    if how == "segv":
        assert "Fatal Python error: Segmentation fault" in obituary["stderr"]


def test_an_idle_worker_dies_with_nothing_running(broker, start):
    start()
    worker = broker.worker()
    [reply] = broker.call(worker, broker.item("desk.echo", 1))
    broker.call(worker, broker.item("desk.no_such"))
    os.kill(worker.ready["pid"], signal.SIGKILL)
    obituary = broker.obituary()
    assert obituary["running"] is False
    assert obituary["last_started"] >= reply.id


def test_a_dead_workers_children_do_not_outlive_it(broker, start):
    pool = start()
    worker = broker.worker()
    [reply] = broker.call(worker, broker.item("desk.fork_and_hang"))
    assert reply.value in pool.processes()
    os.kill(worker.ready["pid"], signal.SIGKILL)
    broker.obituary()  # although the child keeps the worker's connection open
    pool.wait_for_processes(lambda found: reply.value not in found, "the handler's child lives on")


def test_a_worker_that_crashes_again_and_again_is_restarted_each_time(broker, start):
    start()
    for _ in range(4):
        broker.dispatch(broker.worker(), broker.item("desk.die", "exit"))
        broker.obituary()
    broker.wait_for_pool(restarts=4)


def test_several_workers_are_one_pool(broker, start):
    pool = start("desk:service", "--workers", "3")
    broker.wait(lambda: len(broker.ready_workers()) == 3, "three workers")
    assert {peer.ready["name"] for peer in broker.ready_workers()} == {
        f"desk/worker-{n}" for n in (1, 2, 3)
    }
    pool.read_until("desk ready (3 workers, ")
    victim = broker.ready_workers()[0]
    os.kill(victim.ready["pid"], signal.SIGKILL)
    assert broker.obituary()["worker_epoch"] == victim.epoch
    broker.wait(lambda: len(broker.ready_workers()) == 3, "the third worker again")
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert pool.output.count(b" ready (") == 1


def test_workers_end_when_their_supervisor_is_killed(broker, start):
    pool = start("desk:service", "--workers", "2")
    broker.wait(lambda: len(broker.ready_workers()) == 2, "two workers")
    pool.signal(signal.SIGKILL)
    pool.process.wait()
    pool.wait_for_processes(lambda found: not found, "workers outlive their supervisor")


def test_a_call_that_overruns_the_hard_timeout_is_ended(broker, start, tmp_path):
    start("desk:service", "--hard-timeout", "0.3")
    worker = broker.worker()
    begun = time.monotonic()
    [id_] = broker.dispatch(worker, broker.item("desk.wait_for_file", str(tmp_path / "never")))
    obituary = broker.obituary()
    assert 0.3 <= time.monotonic() - begun < 5
    assert obituary["signal"] == signal.SIGKILL
    assert obituary["last_started"] == id_ and obituary["running"]
    assert "ran longer than --hard-timeout 0.3 s" in obituary["reason"]
    assert broker.worker(not_pid=worker.ready["pid"])


def test_calls_within_the_hard_timeout_are_left_alone(broker, start):
    start("desk:service", "--hard-timeout", "1")
    worker = broker.worker()
    for _ in range(8):
        assert broker.call(worker, broker.item("desk.nap", 0.15))[0].value == 0.15


def test_a_worker_that_does_not_stop_is_killed_after_the_grace(broker, start, tmp_path):
    pool = start("desk:service", "--stop-grace", "0.2")
    worker = broker.worker()
    broker.dispatch(worker, broker.item("desk.wait_for_file", str(tmp_path / "never")))
    broker.wait(lambda: _sleeps(worker.ready["pid"]), "the handler to run")
    pool.signal(signal.SIGTERM)
    assert "it did not stop within 0.2 s" in broker.obituary()["reason"]
    assert pool.exit_code() == 0


def test_a_second_signal_ends_it_at_once(broker, start, tmp_path):
    pool = start()
    worker = broker.worker()
    broker.dispatch(worker, broker.item("desk.wait_for_file", str(tmp_path / "never")))
    pool.signal(signal.SIGINT)
    broker.wait_for_pool(state="stopping")
    pool.signal(signal.SIGINT)
    assert pool.exit_code() == 1


def test_the_log_says_that_a_pool_stops_and_how_to_hurry(broker, start):
    pool = start()
    broker.worker()
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert b"stopping (SIGTERM): what runs may finish; a second signal ends at once" in pool.output


def test_a_pool_that_is_still_loading_stops_at_once(broker, start):
    pool = start("slow:service")
    pool.read_until("the water is still cold")
    begun = time.monotonic()
    pool.signal(signal.SIGINT)
    assert pool.exit_code() == 0
    assert time.monotonic() - begun < 10  # and not the 30 s of --stop-grace


def test_the_log_says_that_no_broker_answers(endpoint, start):
    start().read_until(f"no broker answers at {endpoint}: waiting for one")


def test_a_broker_restart_keeps_the_workers_and_their_obituaries(broker, start):
    pool = start()
    worker = broker.worker()
    broker.unbind()
    broker.bind()
    again = broker.worker()
    broker.supervisor()
    log = pool.read_until(f"the broker at {broker.endpoint} is there")
    assert f"samovar-worker: lost the broker at {broker.endpoint}" in log
    assert again.ready["pid"] == worker.ready["pid"]
    os.kill(worker.ready["pid"], signal.SIGKILL)
    assert broker.obituary()["worker_epoch"] == again.epoch


@pytest.mark.parametrize(
    "target, sentence, also",
    [
        (
            "broken:service",
            "importing broken raised RuntimeError: the data file is missing",
            "line 4",
        ),
        ("nosuch:service", "there is no module 'nosuch'", ""),
        ("desk.py:service", "name the module without .py: desk", ""),
        ("exits:service", "importing exits ended the process: SystemExit(0)", ""),
        (
            "desk:nothing",
            "module desk has no object 'nothing'; its services are: empty, service",
            "",
        ),
        (
            "desk:not_a_service",
            "desk:not_a_service is of type dict, not a samovar.Service",
            "",
        ),
        ("desk:empty", "service 'empty' of desk:empty has no methods", ""),
    ],
)
def test_an_app_that_does_not_load_is_never_announced(broker, start, target, sentence, also):
    pool = start(target, "--workers", "2")
    assert pool.exit_code() == 1
    text = pool.output.decode()
    assert f"samovar-worker: cannot serve {target}: {sentence}" in text
    assert also in text
    assert "importlib" not in text and "samovar/app.py" not in text, "frames that are not the app's"
    assert not broker.ready_workers()
    assert not broker.supervisor().pools


@pytest.mark.parametrize("options", [[], ["--no-preload"]])
def test_a_pool_whose_data_cannot_be_loaded_says_so_before_it_ends(broker, start, options):
    pool = start("no_data:service", *options)
    assert pool.exit_code() == 1
    supervisor = broker.supervisor()
    assert supervisor.pools[-1]["service"] == "no_data"
    assert supervisor.pools[-1]["state"] == "failed"
    assert supervisor.pools[-1]["reason"].startswith("load raised FileNotFoundError: ")


def test_an_app_that_no_longer_loads_is_a_failed_pool_that_recovers(broker, start, tmp_path):
    data = tmp_path / "data"
    data.write_text("fine")
    pool = start("fragile:service", "--no-preload", FRAGILE_FILE=str(data))
    worker = broker.worker()
    data.write_text("bad")
    broker.dispatch(worker, broker.item("fragile.die"))
    assert "the data has gone bad" in broker.wait_for_pool(state="failed")["reason"]
    data.write_text("fine")
    assert broker.worker(not_pid=worker.ready["pid"])
    broker.wait_for_pool(state="serving")
    assert pool.process.poll() is None


def test_a_supervisor_ends_with_the_parent_that_started_it(broker, start):
    pool = start("desk:service", "--parent-pid", str(os.getpid()))
    broker.worker()
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    wrong = start("desk:service", "--parent-pid", "1")
    assert wrong.exit_code() == 1
    assert b"is not the parent" in wrong.output
