"""Several brokers, each in a network namespace of its own: what callers notice when one is killed, and when all are replaced.

Three brokers, six workers (a pool of one each) and samovar-load, ten namespaces on one bridge. Every worker serves every
broker, and the client has all three. Needs root.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.setups import PYTHON
from bench.stage import BIN, Failed, Process, Stage

BROKERS = 3
WORKERS = 6
NETWORK = "10.203.77"  # of these namespaces alone
FRONT, BACK = 7711, 7712
SECONDS = 6.0  # of each load
CONCURRENCY = 48
CAP_S = 60

Report = dict[str, Any]


def _ip(*words: Any) -> None:
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


class Network:
    """Namespaces on one bridge, which lies in one of its own: nothing of this host's network is touched."""

    def __init__(self) -> None:
        self._prefix = f"sb{os.getpid()}"
        self._hub = f"{self._prefix}-hub"
        self._names: list[str] = []

    def open(self) -> None:
        if os.geteuid() != 0:
            raise Failed("network namespaces need root")
        self._add(self._hub)
        _ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "bridge", "up")

    def _add(self, name: str) -> None:
        _ip("netns", "add", name)
        self._names.append(name)
        _ip("-n", name, "link", "set", "lo", "up")

    def host(self, number: int) -> "Host":
        """A namespace with the address NETWORK.number."""
        name = f"{self._prefix}-{number}"
        self._add(name)
        ends = ("type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", self._hub, "link", "add", f"port{number}", *ends)
        _ip("-n", self._hub, "link", "set", f"port{number}", "master", "bridge", "up")
        _ip("-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        return Host(name, f"{NETWORK}.{number}")

    def close(self) -> None:
        for name in reversed(self._names):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


class Host:
    def __init__(self, namespace: str, address: str) -> None:
        self.address = address
        self._within = ["ip", "netns", "exec", namespace]

    def command(self, *words: Any) -> list[str]:
        return [*self._within, *map(str, words)]


class Brokers:
    """Everything that runs. `hosts` has the brokers' first, then the workers', then the client's."""

    def __init__(self, directory: Path, hosts: list[Host]) -> None:
        self._directory = directory
        self._stage = Stage(directory / "stage")
        self._hosts = hosts[:BROKERS]
        self._client = hosts[-1]
        self.endpoints = ",".join(f"tcp://{each.address}:{FRONT}" for each in self._hosts)
        self._brokers: list[Process] = []
        try:
            self._brokers = [self._start(host) for host in self._hosts]
            backends = ",".join(f"tcp://{each.address}:{BACK}" for each in self._hosts)
            worker = [PYTHON.parent / "samovar-worker", "overload:service", "--connect", backends]
            for host in hosts[BROKERS:-1]:
                self._stage.start("worker", host.command(*worker, "--workers", 1), None)
            self.wait_for_workers()
        except BaseException:
            self.stop()
            raise

    def _start(self, host: Host) -> Process:
        command = [BIN / "samovard", "--insecure"]
        command += ["--frontend", f"tcp://{host.address}:{FRONT}"]
        command += ["--backend", f"tcp://{host.address}:{BACK}"]
        return self._stage.start("samovard", host.command(*command), "samovard: ready")

    def status(self, number: int) -> dict[str, Any]:
        endpoint = f"tcp://{self._hosts[number].address}:{FRONT}"
        command = self._client.command(BIN / "samovar", "--endpoint", endpoint, "status", "--json")
        done = subprocess.run(command, capture_output=True, text=True, timeout=CAP_S)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return dict(json.loads(done.stdout))

    def wait_for_workers(self) -> None:
        end = time.monotonic() + CAP_S
        for number in range(BROKERS):
            while self._ready(number) < WORKERS:
                if time.monotonic() > end:
                    raise Failed(f"not all workers are ready at broker {number + 1}")
                time.sleep(0.02)

    def _ready(self, number: int) -> int:
        services = self.status(number)["services"]
        workers = [each for service in services for each in service["workers"]]
        return sum(each["state"] == "ready" for each in workers)

    def kill(self, number: int) -> None:
        os.kill(self._brokers[number].pid, signal.SIGKILL)

    def start_again(self, number: int) -> None:
        self._brokers[number] = self._start(self._hosts[number])

    def replace(self, number: int) -> None:
        """As an update does: SIGTERM, and a new one when it has ended."""
        self._brokers[number].stop()
        self.start_again(number)
        self.wait_for_workers()

    def load(self, *options: Any) -> "Load":
        return Load(self._client, self._directory / "report.json", self.endpoints, *options)

    def stop(self) -> None:
        self._stage.stop()


class Load:
    """samovar-load with so many calls of 1 ms under way. `seconds` is how long it goes on."""

    def __init__(
        self, client: Host, report: Path, endpoints: str, seconds: float, *options: Any
    ) -> None:
        command = [BIN / "samovar-load", "--endpoint", endpoints, "--method", "overload.work"]
        command += ["--args", "[1]", "--duration", f"{seconds}s", "--concurrency", CONCURRENCY]
        command += ["--json", report, "--quiet", "--seed", 1, *options]
        self._report = report
        self._process = subprocess.Popen(
            client.command(*command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def finish(self) -> Report:
        try:
            _, error = self._process.communicate(timeout=CAP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise Failed("samovar-load did not end") from None
        if self._process.returncode != 0:
            raise Failed(error.strip()[-300:] or "samovar-load failed")
        return dict(json.loads(self._report.read_text()))


@contextmanager
def _brokers() -> Iterator[Brokers]:
    network = Network()
    with tempfile.TemporaryDirectory(prefix="sb-brokers-", dir="/tmp") as directory:
        try:
            network.open()
            hosts = [network.host(1 + number) for number in range(BROKERS + WORKERS + 1)]
            brokers = Brokers(Path(directory), hosts)
            try:
                yield brokers
            finally:
                brokers.stop()
        finally:
            network.close()


def unevenness(counts: list[int]) -> float:
    """How far the one that is furthest from the mean is from it, as a share of the mean."""
    mean = sum(counts) / len(counts)
    return max(abs(count - mean) for count in counts) / mean


def _balance(brokers: Brokers) -> dict[str, Any]:
    before = [brokers.status(number)["counters"]["requests"] for number in range(BROKERS)]
    report = brokers.load(SECONDS).finish()
    after = [brokers.status(number)["counters"]["requests"] for number in range(BROKERS)]
    counts = [later - earlier for earlier, later in zip(before, after)]
    return {"rps": report["throughput_rps"], "by_broker": counts, "unevenness": unevenness(counts)}


def _kill(brokers: Brokers, number: int, *options: Any) -> Report:
    load = brokers.load(SECONDS, *options)
    time.sleep(SECONDS / 3)
    brokers.kill(number)
    time.sleep(SECONDS / 3)
    brokers.start_again(number)
    report = load.finish()
    brokers.wait_for_workers()
    return report


def _rolling(brokers: Brokers) -> Report:
    load = brokers.load(4 * SECONDS)
    for number in range(BROKERS):
        brokers.replace(number)
    return load.finish()


def several() -> dict[str, Any]:
    with _brokers() as brokers:
        found = _balance(brokers)
        print(f"    {found['rps']:,.0f} calls/s, by broker: {found['by_broker']}", flush=True)
        idempotent: dict[str, int] = {}
        others: dict[str, int] = {}
        for number in range(BROKERS):
            for errors, options in ((idempotent, ["--idempotent"]), (others, [])):
                for code, count in _kill(brokers, number, *options)["errors"].items():
                    errors[code] = errors.get(code, 0) + count
        print(f"    killed: idempotent {idempotent}, others {others}", flush=True)
        rolling = _rolling(brokers)
        print(f"    replaced: {rolling['requests']:,} calls, {rolling['errors']}", flush=True)
    lost = others.get("broker_lost", 0)
    return {
        **found,
        "kill_idempotent_failed": sum(idempotent.values()),
        "kill_lost": lost / BROKERS,
        "kill_other_errors": sum(others.values()) - lost,
        "rolling_failed": sum(rolling["errors"].values()),
    }


CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {"brokers": (False, several)}
