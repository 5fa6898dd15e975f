"""Scripts that read a line and write a line, as services: samovar-worker --lines."""

import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from e2e.processes import APPS, SAMOVAR_WORKER, Broker, Program, Scene, is_running, wait_until
from e2e.raw import Client

OLD_SCRIPT = f"python3 {APPS / 'old_script.py'}"


def serve(
    scene: Scene,
    broker: Broker,
    *options: object,
    command: str = OLD_SCRIPT,
    workers: int = 1,
    wait: bool = True,
) -> Program:
    return scene.pool(
        broker.backend, f"--lines={command}", workers, "--name", "old", *options, wait=wait
    )


def starting_with(*lines: str) -> str:
    return " ".join([OLD_SCRIPT, *map(shlex.quote, lines)])


# --- questions and answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["1.0.1.0", "", " a  b ", "茶, ñ, 🫖", '{"ip": 1}', "\x00\x0c\u2028|"]
)
def test_a_line_becomes_a_call_and_its_answer_the_result(
    scene: Scene, broker: Broker, client: Client, text: str
) -> None:
    serve(scene, broker)
    assert client.ok("old.line", text) == text


def test_values_go_as_a_line_of_json_and_come_back_as_values(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker, command="cat")
    for value in (None, True, 1.5, -7, "a\nb\r\u2028c", [1, [2]], {"ip": "1.0.1.0", "茶": [None]}):
        assert client.ok("old.call", value) == value
    assert client.ok("old.line", '{"a": [1, 2]}') == {"a": [1, 2]}
    outcome = client.call("old.call", b"bytes")
    assert (outcome.word, outcome.value["type"]) == ("app_error", "TypeError")


@pytest.mark.parametrize(
    "command", ["cat", "sed -u s/^/>/", "python3 -c 'while 1: print(input())'"]
)
def test_any_program_that_answers_with_text(
    scene: Scene, broker: Broker, client: Client, command: str
) -> None:
    serve(scene, broker, "--lines-format", "text", command=command)
    for number in range(100):
        assert client.ok("old.line", f"茶 {number}").lstrip(">") == f"茶 {number}"
    assert client.call("old.call", 1).word == "bad_request"


@pytest.mark.parametrize("text", ["a\nb", "a\n", "\r", "a\r\nb"])
def test_a_line_end_in_the_input_is_refused_and_nothing_is_asked(
    scene: Scene, broker: Broker, client: Client, text: str
) -> None:
    serve(scene, broker)
    outcome = client.call("old.line", text)
    assert outcome.word == "app_error"
    assert "a line must hold no line end" in outcome.message
    assert client.ok("old.line", "next") == "next"


def test_what_is_no_text_is_refused(scene: Scene, broker: Broker, client: Client) -> None:
    serve(scene, broker)
    outcome = client.call("old.line", 5)
    assert "a line is a str, not int" in outcome.message
    assert client.call("old.line").word == "bad_request"
    assert client.call("old.line", "a", "b").word == "bad_request"
    assert client.ok("old.line", "next") == "next"


def test_long_lines_go_both_ways(scene: Scene, broker: Broker, client: Client) -> None:
    serve(scene, broker)
    many = 5_000_000
    assert client.ok("old.line", "size " + "é" * many) == len("size ") + 2 * many
    assert client.ok("old.line", f"long {many}") == "x" * many
    text = "茶" * many
    assert client.ok("old.line", text) == text


def test_an_answer_that_is_not_utf_8_is_named(scene: Scene, broker: Broker, client: Client) -> None:
    serve(scene, broker, "--lines-format", "text")
    outcome = client.call("old.line", "latin")
    assert outcome.word == "app_error" and "not UTF-8" in outcome.message
    assert client.ok("old.line", "next") == '"next"'


def test_a_script_that_forgets_to_flush_answers_all_the_same(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker)
    assert client.ok("old.line", "unflushed tea") == "tea"


# --- what it prints beside its answers ---------------------------------------------------------------------


def test_stray_prints_are_shown_with_their_worker_and_not_taken_for_answers(
    scene: Scene, broker: Broker, client: Client
) -> None:
    pool = serve(scene, broker, command=starting_with("say Loading the data ..."))
    assert client.ok("old.line", "stray tea") == "tea"
    assert client.ok("old.line", "next") == "next"
    pool.wait_for_line(r"^\[old/worker-1.*\] stray line \(not an answer\): debug: looking at tea$")
    pool.wait_for_line(
        r"^\[old/worker-1.*\] stray line \(nobody had asked\): Loading the data \.\.\.$"
    )


def test_an_answer_that_nobody_asked_for_goes_to_nobody(
    scene: Scene, broker: Broker, client: Client
) -> None:
    pool = serve(scene, broker)
    for number in range(50):
        assert client.ok("old.line", f"twice {number}") == str(number)
    pool.wait_for_line(r"stray line \(nobody had asked\): \"7, again\"")


def test_a_prompt_is_no_part_of_the_answer(scene: Scene, broker: Broker, client: Client) -> None:
    prompting = "python3 -c 'while 1: print(input(\"> \"))'"
    serve(scene, broker, "--lines-format", "text", command=prompting)
    calls = [client.begin("old.line", f"line {number}") for number in range(300)]
    assert [each.value for each in client.finish_all(calls)] == [f"line {n}" for n in range(300)]


# --- several, and deadlines --------------------------------------------------------------------------------


def test_each_worker_has_a_process_of_its_own(scene: Scene, broker: Broker, client: Client) -> None:
    serve(scene, broker, workers=3)
    gate = scene.path("gate")
    waiting = [client.begin("old.line", f"wait {gate}") for _ in range(2)]
    wait_until(lambda: scene.notes().count("waiting") == 2, "two do not wait")
    assert client.ok("old.line", "tea") == "tea"
    gate.touch()
    assert {each.word for each in client.finish_all(waiting)} == {"ok"}
    assert len(script_pids(scene)) == 3


def script_pids(scene: Scene) -> list[int]:
    return [pid for pid in scene.processes() if command_of(pid) == shlex.split(OLD_SCRIPT)]


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def test_a_late_answer_is_nobodys(scene: Scene, broker: Broker, client: Client) -> None:
    serve(scene, broker)
    gate = scene.path("gate")
    late = client.begin("old.line", f"wait {gate}", timeout=0.2)
    scene.wait_for_note("waiting")
    following = [client.begin("old.line", f"following {number}") for number in range(20)]
    outcome = client.finish(late)
    assert (outcome.word, outcome.value["where"]) == ("deadline_exceeded", "running")
    gate.touch()
    answers = [each.value for each in client.finish_all(following)]
    assert answers == [f"following {number}" for number in range(20)]


def test_a_script_that_does_not_answer_within_the_hard_limit_is_started_again(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker, "--hard-timeout", "0.3")
    pid = client.ok("old.line", "pid")
    swallowed = client.begin("old.line", "swallow")
    scene.wait_for_note("swallowed")
    following = client.begin("old.line", "following")
    outcome = client.finish(swallowed)
    assert outcome.word == "worker_lost"
    assert "--hard-timeout" in outcome.message
    assert client.finish(following).value == "following"
    assert client.ok("old.line", "pid") != pid
    assert not is_running(pid)


# --- its end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "key", "value", "said"),
    [
        ("exit 7", "exit_code", 7, "exited with code 7"),
        ("exit 0", "exit_code", 0, "exited with code 0"),
        ("kill 9", "signal", 9, "was ended by signal 9 (SIGKILL)"),
        ("kill 11", "signal", 11, "was ended by signal 11 (SIGSEGV)"),
        ("kill 15", "exit_code", 143, "was ended by signal 15 (SIGTERM)"),
    ],
)
def test_a_script_that_ends_is_worker_lost_with_its_last_words_and_comes_back(
    scene: Scene, broker: Broker, client: Client, line: str, key: str, value: int, said: str
) -> None:
    serve(scene, broker)
    pid = client.ok("old.line", "pid")
    lost = client.begin("old.line", line)
    following = [client.begin("old.line", f"following {number}") for number in range(10)]
    outcome = client.finish(lost)
    assert outcome.word == "worker_lost"
    assert outcome.value[key] == value
    assert f"last words of {pid}" in outcome.value["stderr"]
    assert f"(pid {pid}) {said}" in outcome.value["stderr"]
    assert [each.value for each in client.finish_all(following)] == [
        f"following {number}" for number in range(10)
    ]


def test_a_script_that_ends_while_nobody_asks_is_started_again(
    scene: Scene, broker: Broker, client: Client
) -> None:
    pool = serve(scene, broker)
    for _ in range(3):
        pid = client.ok("old.line", "pid")
        os.kill(pid, signal.SIGKILL)
        pool.wait_for_line(rf"the script .* \(pid {pid}\) was ended by signal 9 \(SIGKILL\)")
        wait_until(lambda: script_pids(scene) not in ([], [pid]), "no other one was started")
    assert client.ok("old.line", "tea") == "tea"


def test_the_answer_of_a_script_that_ends_next_is_not_lost(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker)
    assert client.ok("old.line", "answer-and-exit tea") == "tea"


def test_the_memory_of_a_script_counts_as_its_worker_s(
    scene: Scene, broker: Broker, client: Client
) -> None:
    pool = serve(scene, broker, "--max-memory", "200MB")
    pid = client.ok("old.line", "pid")
    assert client.ok("old.line", "grow 250") == 1
    pool.wait_for_line("is replaced: it uses .* MiB, its limit is 200 MiB")
    wait_until(lambda: client.ok("old.line", "pid") != pid, "it was not replaced")


def test_a_script_that_closes_its_stdout_is_ended(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker)
    pid = client.ok("old.line", "pid")
    outcome = client.call("old.line", "close")
    assert outcome.word == "worker_lost"
    assert "closed its stdin or stdout" in outcome.value["stderr"]
    assert client.ok("old.line", "tea") == "tea"
    assert not is_running(pid)


def test_a_script_that_ends_and_leaves_a_child_with_its_stdout_is_noticed(
    scene: Scene, broker: Broker, client: Client
) -> None:
    serve(scene, broker)
    outcome = client.call("old.line", "leave-a-child")
    assert (outcome.word, outcome.value["exit_code"]) == ("worker_lost", 6)
    assert client.ok("old.line", "tea") == "tea"
    (child,) = [int(note[6:]) for note in scene.notes() if note.startswith("child ")]
    wait_until(lambda: not is_running(child), "its child lives on")


@pytest.mark.parametrize("who", ["worker", "supervisor"])
def test_no_script_outlives_its_worker_even_one_that_never_reads_again(
    scene: Scene, broker: Broker, client: Client, who: str
) -> None:
    pool = serve(scene, broker)
    script = client.ok("old.line", "pid")
    worker = int(Path(f"/proc/{script}/stat").read_text().rpartition(")")[2].split()[1])
    client.begin("old.line", "ignore-end")
    scene.wait_for_note("ignores its end")
    os.kill(worker if who == "worker" else pool.pid, signal.SIGKILL)
    wait_until(lambda: not is_running(script), "the script lives on")
    if who == "worker":
        assert client.ok("old.line", "tea") == "tea"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_lets_scripts_reach_the_end_of_their_input(
    scene: Scene, broker: Broker, client: Client, number: signal.Signals
) -> None:
    pool = serve(scene, broker, workers=2)
    assert client.ok("old.line", "tea") == "tea"
    os.killpg(pool.pid, number)  # as a terminal does
    assert pool.exit_code() == 0
    assert scene.notes().count("reached the end of its input") == 2


def test_a_script_that_goes_on_after_the_end_of_its_input_is_killed(
    scene: Scene, broker: Broker
) -> None:
    pool = serve(scene, broker, command=starting_with("ignore-end"))
    scene.wait_for_note("ignores its end")
    begun = time.monotonic()
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert time.monotonic() - begun < 20


def test_a_reload_starts_the_script_anew(scene: Scene, broker: Broker, client: Client) -> None:
    script = scene.path("changing.py")
    script.write_text("for line in __import__('sys').stdin: print('\"old\"')\n")
    pool = serve(scene, broker, command=f"python3 {script}")
    assert client.ok("old.line", "") == "old"
    script.write_text("for line in __import__('sys').stdin: print('\"new\"')\n")
    pool.signal(signal.SIGHUP)
    wait_until(lambda: client.ok("old.line", "") == "new", "the old one serves on")
    script.write_text("this is no Python\n")
    pool.signal(signal.SIGHUP)
    pool.wait_for_line("generation 3 is given up: .* exited with code 1")
    assert client.ok("old.line", "") == "new"


# --- its start ---------------------------------------------------------------------------------------------


def test_a_command_that_does_not_exist_ends_samovar_worker_with_a_sentence(
    scene: Scene, broker: Broker
) -> None:
    pool = serve(scene, broker, command="no-such-command at all", wait=False)
    assert pool.exit_code() == 1
    assert pool.lines("cannot serve --lines 'no-such-command at all'")
    assert pool.lines("there is no command 'no-such-command'")


def test_a_script_that_cannot_start_is_unavailable_with_the_reason_until_it_can(
    scene: Scene, broker: Broker, client: Client
) -> None:
    script = scene.path("absent.py")
    pool = serve(scene, broker, command=f"python3 {script}", workers=2, wait=False)
    pool.wait_for_line("No such file or directory")
    wait_until(lambda: broker.service("old").get("state") == "failed", "it is not shown as failed")
    outcome = client.call("old.line", "x")
    assert outcome.word == "unavailable"
    assert f"the script 'python3 {script}'" in outcome.message
    assert "exited with code 2" in outcome.message
    assert not pool.lines(" ready ")
    script.write_text("while True: print(len(input()))")
    broker.wait_for_workers("old", 2)
    assert client.ok("old.line", "tea") == 3


def test_with_a_line_to_warm_up_a_worker_serves_when_the_script_has_answered_it(
    scene: Scene, broker: Broker, client: Client
) -> None:
    gate = scene.path("gate")
    pool = serve(scene, broker, "--lines-warm-up", f"wait {gate}", wait=False)
    scene.wait_for_note("waiting")
    queued = client.begin("old.line", "tea")
    broker.wait_for_queued("old", 1)
    assert not pool.lines(" ready ")
    gate.touch()
    assert client.finish(queued).value == "tea"
    pool.wait_for_line("^samovar-worker: old ready ")


def test_samovard_starts_scripts_by_its_configuration(scene: Scene) -> None:
    broker = scene.broker(
        config=f"""
[[service]]
name = "ipgeo"
lines = "python3 old_script.py"
directory = "{APPS}"
workers = 2

[[service]]
name = "upper"
lines = "sed -u y/abc/ABC/"
arguments = ["--lines-format", "text"]

[[service]]
name = "broken"
lines = "python3 /no/such/script.py"
"""
    )
    client = broker.client()
    assert client.ok("ipgeo.line", "1.0.1.0") == "1.0.1.0"
    assert client.ok("upper.line", "abc") == "ABC"
    outcome = client.call("broken.line", "x")
    assert outcome.word == "unavailable"
    assert "exited with code 2" in outcome.message


def test_lines_need_a_name(scene: Scene, broker: Broker) -> None:
    program = scene.run(SAMOVAR_WORKER, "--lines", "cat", "--connect", broker.backend)
    assert program.exit_code() == 2
    assert "--lines needs --name" in program.log()
