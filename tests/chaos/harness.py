"""Chaos with real processes: samovard, two pools and client processes under load, while they are killed, stopped and cut off.

Each side keeps a ledger (ledger.py), and afterwards they are compared. script/chaos is the whole of it, test_chaos.py some seconds of it.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from e2e.processes import (
    BIN,
    SAMOVAR_WORKER,
    Broker,
    Program,
    Scene,
    resident_bytes,
    shared_memory,
    wait_until,
)

from chaos.ledger import Verdict, compare
from chaos.proxy import Proxy

HERE = Path(__file__).resolve().parent
CALLER = BIN / "samovar-chaos-caller"
WORKERS = 2  # in each of the two pools
CALLERS = 4
OUTSTANDING = 64  # of each caller by callbacks; and so many threads wait for a call each:
THREADS = 2
TIMEOUT_S = 30.0
GRACE_S = 5.0  # beyond it, of a caller that was stopped for a while, on a machine that is busy
ADOPTED = (
    2  # descriptors that a pool costs which samovard has adopted: its process, and a connection
)
MIB = 1 << 20


@dataclass(frozen=True)
class Size:
    """How much of what."""

    calls: int = 1_000_000
    worker_kills: int = 200
    pool_kills: int = 20
    broker_restarts: int = 10
    client_kills: int = 10
    zygote_kills: int = 10
    stops: int = 40
    cuts: int = 40
    stalls: int = 20
    long_stalls: int = 2  # longer than ZeroMQ's heartbeats allow
    rate: float = 8000  # calls/s of all callers together, at most
    pause_s: float = 0.4  # between two faults, on average


@dataclass(frozen=True)
class Bar:
    """A demand and its figure."""

    name: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """BAR <name> <value> <bound> ok|short."""
        shown = [f"{n:.3g}" if n < 1000 else f"{n:.0f}" for n in (self.value, self.bound)]
        return f"BAR {self.name} {shown[0]} {shown[1]} {'ok' if self.ok else 'short'}"


def plan(size: Size, rng: random.Random) -> list[str]:
    """The faults by name, in the order in which they come."""
    faults = ["kill_worker"] * size.worker_kills
    faults += ["kill_pool"] * size.pool_kills
    faults += ["kill_client"] * size.client_kills
    faults += ["kill_zygote"] * size.zygote_kills
    faults += ["stop_something"] * size.stops
    faults += ["cut"] * size.cuts
    faults += ["stall"] * size.stalls
    faults += ["stall_for_long"] * size.long_stalls
    rng.shuffle(faults)
    # The last broker lives long enough to show that its memory is flat.
    for number in range(size.broker_restarts):
        at = rng.randrange(1 + len(faults) * 2 // 3)
        faults.insert(at, "end_broker" if number % 3 == 2 else "kill_broker")
    return faults


class Tail:
    """Counts the lines of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.lines = 0

    def read(self) -> int:
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
            self._offset += len(new)
            self.lines += new.count(b"\n")
        return self.lines


class Stage:
    """All processes of a run, the faults that come over them, and what is seen of them."""

    def __init__(self, scene: Scene, size: Size, rng: random.Random) -> None:
        self.scene = scene
        self.size = size
        self.rng = rng
        self.done: Counter[str] = Counter()
        self.begun = time.monotonic()
        self.tails: list[Tail] = []
        self.resident: dict[str, list[int]] = {}
        self.ledgers = scene.path("ledgers")
        self.ledgers.mkdir()
        scene.env["CHAOS_LEDGERS"] = str(self.ledgers)
        self.config = (
            f'[[service]]\nname = "chaos"\napp = "app:service"\n'
            f'workers = {WORKERS}\ndirectory = "{HERE}"\n'
        )
        self.tcp = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        self.broker = self.start_broker()
        self.tcp = (self.broker.frontends[1], self.broker.backends[1])
        self.front, self.back = (Proxy(endpoint) for endpoint in self.tcp)
        self.pool = self.start_pool()
        self.callers: dict[int, Program] = {}
        self.killed: set[int] = set()
        for _ in range(CALLERS):
            self.start_caller()
        self.guest = self.start_caller()

    def close(self) -> None:
        for caller in self.living_callers():
            caller.kill()  # where it has not ended by itself: in a run that failed
        for proxy in (self.front, self.back):
            proxy.close()

    # --- what runs -------------------------------------------------------------------------------------

    def start_broker(self) -> Broker:
        front, back = self.tcp
        more = ["--frontend", front, "--backend", back, "--log-level", "warning"]
        endpoints = (self.scene.ipc("front"), self.scene.ipc("back"))
        return self.scene.broker(*more, endpoints=endpoints, config=self.config)

    def start_pool(self) -> Program:
        """The pool that samovard does not start by itself; it is connected through a proxy."""
        arguments = ["app:service", "--connect", self.back.endpoint, "--workers", WORKERS]
        return self.scene.run(SAMOVAR_WORKER, *arguments, cwd=HERE, name="pool")

    def start_caller(self) -> int:
        """Every second one is connected through a proxy. Its number."""
        number = len(self.callers) + 1
        endpoint = self.front.endpoint if number % 2 else self.broker.frontend
        ledger = self.ledgers / f"caller-{number}"
        rate = self.size.rate / (CALLERS + 1)
        arguments = [endpoint, number, ledger, OUTSTANDING, THREADS, rate, int(TIMEOUT_S * 1000)]
        self.callers[number] = self.scene.run(CALLER, *arguments, name=f"caller-{number}")
        self.tails.append(Tail(ledger))
        return number

    def living_callers(self) -> list[Program]:
        return [each for number, each in self.callers.items() if number not in self.killed]

    def ready_workers(self) -> list[int]:
        return [int(worker["pid"]) for worker in self.broker.ready_workers("chaos")]

    def supervisors(self) -> list[int]:
        return [int(pool["pid"]) for pool in self.broker.service("chaos").get("pools", [])]

    # --- what is seen ----------------------------------------------------------------------------------

    def calls(self) -> int:
        return sum(tail.read() for tail in self.tails)

    def watch(self) -> None:
        broker = f"broker, pid {self.broker.pid}"
        seen = {broker: self.broker.pid}
        seen |= {f"{each.name}, pid {each.pid}": each.pid for each in self.living_callers()}
        for name, pid in seen.items():
            with suppress(FileNotFoundError):
                self.resident.setdefault(name, []).append(resident_bytes(pid))

    def pass_time(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(0.25, left))
            self.watch()

    def memory_growth(self) -> int:
        """How much more memory a process had in its last quarter than in its second one, at most; bytes."""
        growth = [0]
        now_alive = {f"broker, pid {self.broker.pid}"}
        now_alive |= {f"{each.name}, pid {each.pid}" for each in self.living_callers()}
        for name in now_alive & self.resident.keys():
            seen = self.resident[name]
            quarter = len(seen) // 4
            if quarter:
                growth.append(max(seen[-quarter:]) - max(seen[quarter : 2 * quarter]))
        return max(growth)

    def holdings(self) -> dict[str, int]:
        """Descriptors of each kind of process, processes, boards of shared memory."""
        processes = self.scene.processes()
        boards = set()
        for pid in processes:
            for link in links(pid):
                if "samovar-board" in link.name:
                    boards.add(link.inode)
        return {
            "broker": len(links(self.broker.pid)),
            "caller": max(len(links(each.pid)) for each in self.living_callers()),
            "supervisor": max(len(links(pid)) for pid in self.supervisors()),
            "processes": len(processes),
            "shared_memory": len(boards),
        }

    def is_calm(self) -> bool:
        """Both pools are whole."""
        return len(self.ready_workers()) == 2 * WORKERS and len(self.supervisors()) == 2

    def wait_for_calm(self) -> None:
        wait_until(self.is_calm, "the pools did not come back", cap=60)

    def progress(self) -> str:
        faults = ", ".join(f"{self.done[name]} {name}" for name in sorted(self.done))
        return f"{time.monotonic() - self.begun:4.0f} s  {self.calls():9,} calls  {faults}"

    # --- faults ----------------------------------------------------------------------------------------

    def kill(self, pid: int) -> bool:
        """False if it had ended, or is none of ours by now."""
        if pid not in self.scene.processes():
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def kill_worker(self) -> None:
        def killed() -> bool:
            ready = self.ready_workers()
            return bool(ready) and self.kill(self.rng.choice(ready))

        wait_until(killed, "no worker is ready", cap=60)

    def kill_pool(self) -> None:
        """One of the two supervisors, whose workers end with it."""
        if self.rng.random() < 0.5:

            def killed() -> bool:
                others = [pid for pid in self.supervisors() if pid != self.pool.pid]
                return any(self.kill(pid) for pid in others)

            wait_until(killed, "samovard did not start its pool again", cap=60)
        else:
            self.pool.kill()
            self.pool = self.start_pool()

    def kill_zygote(self) -> None:
        """Or a worker that is not ready yet: what a supervisor has started and nobody else knows of."""

        def children() -> list[int]:
            known = self.ready_workers()
            found: list[int] = []
            for pid in self.supervisors():
                with suppress(OSError):
                    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                    found += [child for each in listed if (child := int(each)) not in known]
            return found

        wait_until(
            lambda: any(self.kill(pid) for pid in self.rng.sample(found, len(found)))
            if (found := children())
            else False,
            "no zygote to kill",
            cap=60,
        )

    def kill_client(self) -> None:
        self.callers[self.guest].kill()
        self.killed.add(self.guest)
        self.guest = self.start_caller()

    def kill_broker(self) -> None:
        self.broker.kill()
        self.broker.forget()
        self.pass_time(self.rng.uniform(0, 0.5))
        self.broker = self.start_broker()

    def end_broker(self) -> None:
        self.broker.signal(signal.SIGTERM)
        assert self.broker.exit_code() == 0
        self.broker.forget()
        self.broker = self.start_broker()

    def stop_something(self) -> None:
        victims: list[Callable[[], int]] = [
            lambda: self.rng.choice(wait_until(self.ready_workers, "no worker is ready", cap=60)),
            lambda: self.pool.pid,
            lambda: self.broker.pid,
            lambda: self.rng.choice(self.living_callers()).pid,
        ]
        pid = self.rng.choice(victims)()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                self.pass_time(self.rng.uniform(0.05, 1.0))
            finally:
                os.kill(pid, signal.SIGCONT)

    def cut(self) -> None:
        self.rng.choice((self.front, self.back)).cut()

    def stall(self) -> None:
        self.rng.choice((self.front, self.back)).stall(self.rng.uniform(0.05, 2.0))

    def stall_for_long(self) -> None:
        self.rng.choice((self.front, self.back)).stall(18.0)

    # --- the run ---------------------------------------------------------------------------------------

    def run(self, report: Callable[[str], None]) -> tuple[Verdict, list[Bar]]:
        self.wait_for_calm()
        wait_until(lambda: all(tail.read() for tail in self.tails), "not every caller made a call")
        before = self.holdings()
        before["broker"] += ADOPTED
        reported = time.monotonic()
        faults = plan(self.size, self.rng)
        while faults or self.calls() < self.size.calls:
            self.pass_time(self.rng.uniform(0, 2 * self.size.pause_s))
            if faults:
                name = faults.pop(0)
                getattr(self, name)()
                self.done[name] += 1
            if time.monotonic() >= reported + 10:
                reported = time.monotonic()
                report(self.progress())
        report(self.progress())

        self.wait_for_calm()
        more = self.what_is_more_than(before)
        report("held more than before: " + ", ".join(f"{n} {key}" for key, n in more.items()))
        growth = self.memory_growth()
        for caller in self.living_callers():
            caller.signal(signal.SIGTERM)
        for caller in self.living_callers():
            assert caller.exit_code(cap=TIMEOUT_S + GRACE_S) == 0
        left = self.left_in_broker()
        verdict = compare(
            {number: self.ledgers / f"caller-{number}" for number in self.callers},
            sorted(self.ledgers.glob("worker-*")),
            killed=self.killed,
            latest_s=TIMEOUT_S + GRACE_S,
        )
        return verdict, self.bars(verdict, more, growth, left)

    def what_is_more_than(self, before: dict[str, int]) -> dict[str, int]:
        """What is held beyond that; a process that has just died may still be there for a moment."""
        end = time.monotonic() + 10
        while True:
            more = {key: value - before[key] for key, value in self.holdings().items()}
            if max(more.values()) <= 0 or time.monotonic() > end:
                return more
            time.sleep(0.1)

    def left_in_broker(self) -> int:
        def left() -> int:
            service = self.broker.service("chaos")
            return sum(int(service[key]) for key in ("queued", "in_flight", "abandoned"))

        with suppress(AssertionError):
            wait_until(lambda: left() == 0, "requests are left", cap=10)
        return left()

    def bars(self, verdict: Verdict, more: dict[str, int], growth: int, left: int) -> list[Bar]:
        size = self.size
        restarts = self.done["kill_broker"] + self.done["end_broker"]
        none = [
            "not_one_outcome",
            "run_twice",
            "wrong_replies",
            "idempotent_failed",
            "ok_without_a_run",
            "run_for_nothing",
            "unexpected_outcomes",
            "late_outcomes",
            "unknown_calls",
        ]
        return [
            Bar("calls", verdict.calls, size.calls, at_least=True),
            Bar("worker_kills", self.done["kill_worker"], size.worker_kills, at_least=True),
            Bar("pool_kills", self.done["kill_pool"], size.pool_kills, at_least=True),
            Bar("broker_restarts", restarts, size.broker_restarts, at_least=True),
            *(Bar(name, getattr(verdict, name), 0) for name in none),
            Bar("left_in_broker", left, 0),
            Bar(
                "more_descriptors", max(more[key] for key in ("broker", "caller", "supervisor")), 0
            ),
            Bar("more_processes", more["processes"], 0),
            Bar("more_shared_memory", more["shared_memory"], 0),
            Bar("memory_growth_MiB", growth / MIB, 8),
        ]


@dataclass(frozen=True)
class Link:
    name: str
    inode: int


def links(pid: int) -> list[Link]:
    """Its open descriptors."""
    found = []
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(Link(os.readlink(path), path.stat().st_ino))
    return found


@contextmanager
def stage(size: Size, rng: random.Random, keep: Path | None) -> Iterator[Stage]:
    """Everything has ended afterwards, or that is an AssertionError. With `keep`, logs and ledgers go there."""
    before = shared_memory()
    directory = Path(tempfile.mkdtemp(prefix="samovar-chaos-"))
    context: zmq.Context[Any] = zmq.Context()
    scene = Scene(directory, context)
    try:
        try:
            stage = Stage(scene, size, rng)
            try:
                yield stage
            finally:
                stage.close()
        finally:
            context.destroy(linger=0)
            scene.end()
        assert shared_memory() <= before, "shared memory was left behind"
    finally:
        if keep is not None:
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(directory, keep, ignore=lambda _, names: {"front", "back"} & set(names))
        shutil.rmtree(directory)
