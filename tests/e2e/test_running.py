"""docs/running.md: its commands, run one after the other, print what it says."""

import re
import shutil
import subprocess

from docs.printed import is_as_shown
from e2e.processes import ROOT, SAMOVAR, SAMOVAR_WORKER, Broker, Scene, wait_until
from e2e.raw import CAP_S

PAGE = (ROOT / "docs/running.md").read_text()


def commands() -> list[tuple[str, list[str]]]:
    """Each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```\n(\$ .*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def run_in_shell(scene: Scene, broker: Broker, command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=scene.path("teahouse"),
        env={
            **scene.env,
            "PATH": f"{SAMOVAR.parent}:{scene.env['PATH']}",
            "SAMOVAR_ENDPOINT": broker.frontend,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * CAP_S,
        check=False,
    )
    return done.stdout


def start_pool(scene: Scene, broker: Broker, command: str) -> str:
    """Its output when it serves, or has given up."""
    command = command.replace("tcp://127.0.0.1:7712", broker.backend)
    arguments = [SAMOVAR_WORKER, *command.split()[1:]]
    pool = scene.run(*arguments, cwd=scene.path("teahouse"), name="samovar-worker")
    wait_until(lambda: pool.lines(" ready ") or not pool.is_running(), "a pool did not start")
    return "" if pool.is_running() else pool.log()


def test_the_commands_of_the_page_print_what_it_says(scene: Scene) -> None:
    broker = scene.broker(transport="tcp")
    shutil.copytree(ROOT / "examples/teahouse", scene.path("teahouse"))
    story = commands()
    assert len(story) == PAGE.count("\n$ ") > 15
    for command, lines in story:
        if command.startswith("samovar replay "):
            (saved,) = scene.path("state/samovar/quarantine").iterdir()
            assert re.fullmatch(r"\d+T\d+Z-native.string_at-\d+-1.request", saved.name)
            command = f"samovar replay {saved}"
        if command.startswith("samovar-worker "):
            printed = start_pool(scene, broker, command)
        else:
            printed = run_in_shell(scene, broker, command)
        assert is_as_shown(lines, printed), f"{command}\n{printed}\n{lines}"


def test_equal_calls_of_a_pure_method_are_counted_as_shared(scene: Scene, broker: Broker) -> None:
    worker = broker.worker()
    worker.ready("tea", methods={"look": {"pure": True}}, credit=8)
    client = broker.client()
    calls = [client.begin("tea.look", "oolong") for _ in range(3)]
    (item,) = worker.take()
    broker.wait_for_counter("shared", 2)
    worker.reply(item, "green")
    assert [outcome.value for outcome in client.finish_all(calls)] == ["green"] * 3
    assert re.search(r"^shared +2$", scene.samovar(broker, "status").stdout, re.MULTILINE)
