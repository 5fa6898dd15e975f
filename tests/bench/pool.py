"""The pool: what forked workers share, how soon they are there, what a hang and a reload do to others."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from e2e.raw import Client, Outcome

from bench.setups import PYTHON
from bench.stage import BIN, Failed, Process, Stage

WORKERS = 4
UNIFORM = 100_000  # look-ups in each worker
FORKS = 5
CAP_S = 30.0


class Pool:
    """samovard with one pool behind it, and a client of the test's own. Leave it by stop()."""

    def __init__(self, directory: Path, app: str, workers: int, *options: Any) -> None:
        self.stage = Stage(directory)
        self.directory = directory
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            front, back = self.stage.ipc("front"), self.stage.ipc("back")
            broker = [BIN / "samovard", "--frontend", front, "--backend", back]
            self.stage.start("samovard", broker, "samovard: ready")
            command = [PYTHON.parent / "samovar-worker", app, "--connect", back]
            command += ["--workers", workers, *options]
            began = time.perf_counter()
            self.process: Process = self.stage.start("samovar-worker", command, " ready ")
            self.ready_s = time.perf_counter() - began
            self.client = Client(self._context, front)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._context.destroy(linger=0)
        self.stage.stop()

    def status(self) -> dict[str, Any]:
        return dict(self.client.ok("samovar.status")["services"][0])

    def ready(self) -> int:
        return sum(worker["state"] == "ready" for worker in self.status()["workers"])

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + CAP_S
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"waited {CAP_S:g} s in vain for {what}")
            time.sleep(
                0.001
            )  # who asks without a break takes a core from those that are waited for

    def on_each_worker(self, method: str, *args: Any) -> None:
        """Calls it once in every worker, at the same time."""
        with tempfile.TemporaryDirectory(dir=self.directory) as folder:
            calls = [self.client.begin(method, folder, WORKERS, *args) for _ in range(WORKERS)]
            outcomes = self.client.finish_all(calls)
        for outcome in outcomes:
            if outcome.word != "ok":
                raise Failed(f"{method}: {outcome.message}")

    def pss_kb(self) -> int:
        """Of all that the supervisor has started: the zygote, its heir and the workers."""
        return sum(_smaps(pid, "Pss") for pid in self.process.children())


def _smaps(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise Failed(f"/proc/{pid}/smaps_rollup has no {key}")


def memory() -> dict[str, Any]:
    """Of a zygote, its heir and four workers / of the process that has loaded, alone; and how soon a forked worker is ready."""
    with tempfile.TemporaryDirectory(prefix="sb-pool-", dir="/tmp") as directory:
        found = _objects(Path(directory) / "objects")
        return {**found, **_compact(Path(directory) / "compact")}


def _objects(directory: Path) -> dict[str, Any]:
    pool = Pool(directory, "heavy:objects", WORKERS)
    try:
        # The zygote's first: what one process needs.
        one = max(_smaps(pid, "Rss") for pid in pool.process.children())
        found = {"one_mb": one / 1024, "fresh_load_ms": pool.ready_s * 1000}
        found["after_fork"] = pool.pss_kb() / one
        pool.on_each_worker("objects.hot")
        found["hot"] = pool.pss_kb() / one
        found["fork_ready_ms"] = statistics.median(_fork(pool, n) for n in range(FORKS))
        _scale(pool, WORKERS)
        pool.on_each_worker("objects.uniform", UNIFORM)
        found["uniform_objects"] = pool.pss_kb() / one
        return found
    finally:
        pool.stop()


def _fork(pool: Pool, number: int) -> float:
    """ms from the command to one more worker that is ready."""
    return _scale(pool, WORKERS + number + 1)


def _scale(pool: Pool, workers: int) -> float:
    began = time.perf_counter()
    service = pool.status()["name"]
    outcome = pool.client.call("samovar.scale", service, workers)
    if outcome.word != "ok":
        raise Failed(f"samovar.scale: {outcome.message}")
    pool.wait(lambda: pool.ready() == workers, f"{workers} workers")
    took = (time.perf_counter() - began) * 1000
    pool.wait(lambda: len(pool.process.children()) == workers + 2, "the others' ends")
    return took


def _compact(directory: Path) -> dict[str, Any]:
    pool = Pool(directory, "heavy:compact", WORKERS)
    try:
        one = max(_smaps(pid, "Rss") for pid in pool.process.children())
        pool.on_each_worker("compact.uniform", UNIFORM)
        return {"compact": pool.pss_kb() / one, "compact_one_mb": one / 1024}
    finally:
        pool.stop()


# --- hangs -------------------------------------------------------------------------------------------------

RATE = 100  # calls a second
HANGS_EVERY = 100  # 1 % of the calls
SEGMENT_S = 6.0
SEGMENTS = 4  # in turn without and with hanging calls
HARD_TIMEOUT_S = 0.2


def hang() -> dict[str, Any]:
    """100 calls/s to 4 workers and a spare: the others' p99 when 1 % of the calls hang / when none does."""
    with tempfile.TemporaryDirectory(prefix="sb-pool-", dir="/tmp") as directory:
        options = ["--spares", 1, "--hard-timeout", HARD_TIMEOUT_S]
        pool = Pool(Path(directory) / "hang", "hanging:service", WORKERS, *options)
        try:
            _segment(pool, 1.0, False)  # teaches the method's run time
            calm, hanging = [], []
            for number in range(SEGMENTS):
                with_hangs = number % 2 == 1
                (hanging if with_hangs else calm).extend(_segment(pool, SEGMENT_S, with_hangs))
                _wait_for_spare(pool)
            p99 = [statistics.quantiles(each, n=100)[98] for each in (calm, hanging)]
            back = [_capacity_back(pool, number) for number in range(1, 6)]
            return {
                "p99_ms": p99[1],
                "calm_p99_ms": p99[0],
                "p99_ratio": p99[1] / p99[0],
                "capacity_back_ms": max(back),
            }
        finally:
            pool.stop()


def _segment(pool: Pool, seconds: float, with_hangs: bool) -> list[float]:
    """ms of each call that does not hang, from when it was due. An open loop."""
    client = pool.client
    client.outcomes.clear()
    due: dict[int, float] = {}
    hangs: list[int] = []
    waits: list[float] = []
    began = time.perf_counter()
    count = int(seconds * RATE)
    number = 0
    while number < count or client.outstanding:
        next_at = began + number / RATE
        now = time.perf_counter()
        if number < count and now >= next_at:
            if with_hangs and number % HANGS_EVERY == HANGS_EVERY // 2:
                hangs.append(client.begin("hanging.hang", number))
            else:
                due[client.begin("hanging.work", number)] = next_at
            number += 1
            continue
        client.pump(min(CAP_S, next_at - now) if number < count else CAP_S)
        now = time.perf_counter()
        for id_ in client.outcomes.keys() & due.keys():
            _must_be("ok", client.outcomes.pop(id_))
            waits.append((now - due.pop(id_)) * 1000)
    for id_ in hangs:
        _must_be("worker_lost", client.outcomes.pop(id_))
    return waits


def _must_be(word: str, outcome: Outcome) -> None:
    if outcome.word != word:
        raise Failed(f"a call ended as {outcome.word}, not {word}: {outcome.value}")


def _capacity_back(pool: Pool, number: int) -> float:
    """ms from when a hanging call ends, since its worker was killed, until four workers are ready."""
    _wait_for_spare(pool)
    _must_be("worker_lost", pool.client.call("hanging.hang", -number))
    began = time.perf_counter()
    pool.wait(lambda: pool.ready() == WORKERS, "the fourth worker")
    return (time.perf_counter() - began) * 1000


def _wait_for_spare(pool: Pool) -> None:
    """All four workers, the spare, the zygote and its heir: the supervisor's children, each as far as it gets."""
    pool.wait(
        lambda: pool.ready() == WORKERS and len(pool.process.children()) == WORKERS + 3, "a spare"
    )


# --- reloads -----------------------------------------------------------------------------------------------

RELOADS = 10
OUTSTANDING = 256


def reload() -> dict[str, Any]:
    """How many calls fail while two workers under full load are replaced ten times by new generations."""
    with tempfile.TemporaryDirectory(prefix="sb-pool-", dir="/tmp") as directory:
        pool = Pool(Path(directory) / "reload", "service:service", 2)
        try:
            return _reload(pool)
        finally:
            pool.stop()


def _reload(pool: Pool) -> dict[str, Any]:
    client = pool.client
    calls = failed = reloads = 0
    began = time.perf_counter()
    reloading = client.begin("samovar.reload", "bench")
    while reloads < RELOADS:
        missing = OUTSTANDING - len(client.outstanding)
        if missing > OUTSTANDING // 2:
            client.begin_many("bench.lookup", missing, "192.168.1.7")
        if not client.pump(CAP_S):
            raise Failed(f"nothing was answered for {CAP_S:g} s")
        if reloading in client.outcomes:
            _must_be("ok", client.outcomes.pop(reloading))
            reloads += 1
            reloading = client.begin("samovar.reload", "bench") if reloads < RELOADS else 0
        calls += len(client.outcomes)
        failed += sum(outcome.word != "ok" for outcome in client.outcomes.values())
        client.outcomes.clear()
    client.finish_all(list(client.outstanding))
    failed += sum(outcome.word != "ok" for outcome in client.outcomes.values())
    calls += len(client.outcomes)
    return {"failed": failed, "calls": calls, "seconds": time.perf_counter() - began}


# Each is measured once, not once a round: (in a quick run too, how).
CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {
    "pool_memory": (False, memory),
    "pool_hang": (False, hang),
    "pool_reload": (False, reload),
}
