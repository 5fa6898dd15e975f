"""The processes of a test: started, watched, ended by their pids, and looked for when they should be gone."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zmq

from e2e.raw import CAP_S, Client, Supervisor, Worker

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).resolve().parent / "apps"
BIN = Path(os.environ.get("SAMOVAR_BIN", ROOT / "build/release/bin"))
SAMOVARD = BIN / "samovard"
SAMOVAR = BIN / "samovar"
SAMOVAR_WORKER = Path(sys.executable).parent / "samovar-worker"


def wait_until(condition: Callable[[], Any], what: str, cap: float = CAP_S) -> Any:
    """Returns the condition's first true value; fails when there is none within `cap` seconds."""
    end = time.monotonic() + cap
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {cap} s in vain: {what}"
        time.sleep(0.005)
    return value


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE)


class Program:
    """One started process, which leads a process group. What it writes goes to a file."""

    def __init__(
        self, name: str, arguments: list[Any], log: Path, env: dict[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.log_file = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def lines(self, text: str) -> list[str]:
        """The lines of its output with this text."""
        return [line for line in self.log().splitlines() if text in line]

    def wait_for_line(self, pattern: str, cap: float = CAP_S) -> "re.Match[str]":
        """Waits until its output matches."""
        end = time.monotonic() + cap
        while True:
            running = self.process.poll() is None
            match = re.search(pattern, self.log(), re.MULTILINE)
            if match:
                return match
            assert running, f"{self.name} ended without writing {pattern!r}:\n{self.log()}"
            assert time.monotonic() < end, f"{self.name} did not write {pattern!r}:\n{self.log()}"
            time.sleep(0.005)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self, cap: float = CAP_S) -> int:
        """Waits for its end."""
        try:
            return self.process.wait(cap)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {cap} s:\n{self.log()}") from None

    def kill(self) -> None:
        """Ends it with SIGKILL, and reaps it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> bool:
        """Asks it to stop, and insists; False if it had to be killed."""
        for _ in range(2):
            if not self.is_running():
                return True
            self.process.terminate()
            try:
                self.process.wait(5)
                return True
            except subprocess.TimeoutExpired:
                pass
        try:
            self.process.wait(10)
            return True
        except subprocess.TimeoutExpired:
            self.kill()
            return False


class Broker(Program):
    """A samovard that is ready. Clients and workers made here are the test's own; they end with it."""

    def __init__(self, context: "zmq.Context[Any]", *args: Any) -> None:
        super().__init__(*args)
        self._context = context
        self._observer: Client | None = None

    def wait_until_ready(self) -> None:
        """Waits for its ready line, which names the endpoints."""
        ready = self.wait_for_line(r"^samovard: ready((, (frontend|backend|http) \S+?)+)$")[1]
        found = re.findall(r", (frontend|backend) ([^\s,]+)", ready)
        self.frontends = [endpoint for side, endpoint in found if side == "frontend"]
        self.backends = [endpoint for side, endpoint in found if side == "backend"]
        self.frontend = self.frontends[0]
        self.backend = self.backends[0]

    def client(self, **options: Any) -> Client:
        return Client(self._context, self.frontend, **options)

    def worker(self, **options: Any) -> Worker:
        return Worker(self._context, self.backend, **options)

    def supervisor(self, **options: Any) -> Supervisor:
        return Supervisor(self._context, self.backend, **options)

    def status(self) -> dict[str, Any]:
        if self._observer is None:
            self._observer = self.client(name="observer")
        return dict(self._observer.ok("samovar.status"))

    def forget(self) -> None:
        """Once it has ended: lets go of what asks it for its status, which would connect to the next one."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def counter(self, name: str) -> int:
        return int(self.status()["counters"][name])

    def service(self, name: str) -> dict[str, Any]:
        """What status says about this service; empty if it does not know it."""
        return next((dict(each) for each in self.status()["services"] if each["name"] == name), {})

    def results(self, method: str) -> int:
        """How many calls of "service.method" have ended as ok."""
        service, name = method.rsplit(".", 1)
        methods = {each["name"]: each for each in self.service(service).get("methods", [])}
        return int(methods[name]["outcomes"]["ok"])

    def wait_for_queued(self, service: str, count: int) -> None:
        wait_until(
            lambda: self.service(service).get("queued") == count, f"there were never {count} queued"
        )

    def wait_for_counter(self, name: str, least: int) -> int:
        wait_until(lambda: self.counter(name) >= least, f"counter {name} never reached {least}")
        return self.counter(name)

    def wait_for_workers(self, service: str, count: int) -> list[dict[str, Any]]:
        """Waits until so many workers are ready; returns what status says of them."""
        wait_until(
            lambda: len(self.ready_workers(service)) == count,
            f"there were never {count} ready workers of {service}",
        )
        return self.ready_workers(service)

    def ready_workers(self, service: str) -> list[dict[str, Any]]:
        workers = self.service(service).get("workers", [])
        return [worker for worker in workers if worker["state"] == "ready"]


class Scene:
    """All that one test has started, in its own directory."""

    def __init__(self, directory: Path, context: "zmq.Context[Any]") -> None:
        self.directory = directory
        self.context = context
        self.ledger = directory / "ledger"
        self.programs: list[Program] = []
        self._mark = f"SAMOVAR_TEST={uuid.uuid4()}"
        name, value = self._mark.split("=")
        path = f"{SAMOVAR_WORKER.parent}:{os.environ['PATH']}"
        self.env = {
            **os.environ,
            name: value,
            "PATH": path,
            "SAMOVAR_LEDGER": str(self.ledger),
            "XDG_STATE_HOME": str(directory / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def path(self, name: str) -> Path:
        return self.directory / name

    def ipc(self, name: str) -> str:
        return f"ipc://{self.directory}/{name}"

    def notes(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    def wait_for_note(self, text: str) -> None:
        wait_until(lambda: text in self.notes(), f"no handler noted {text!r}")

    def config(self, text: str) -> Path:
        path = self.path(f"samovard-{len(self.programs)}.toml")
        path.write_text(text)
        return path

    def run(self, *arguments: Any, cwd: Path | None = None, name: str = "program") -> Program:
        """Starts any program; the test waits for what it is to do."""
        log = self.path(f"{name}-{len(self.programs)}.log")
        program = Program(name, list(arguments), log, self.env, cwd or self.directory)
        self.programs.append(program)
        return program

    def broker(
        self,
        *options: Any,
        transport: str = "ipc",
        endpoints: tuple[str, str] | None = None,
        config: str | None = None,
        prefix: Sequence[Any] = (),
    ) -> Broker:
        """Starts samovard and waits until it is ready. `config` is the text of its TOML file, `prefix` a command that
        starts it."""
        if endpoints is None and transport == "ipc":
            endpoints = (self.ipc("front"), self.ipc("back"))
        front, back = endpoints or ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        arguments = [*prefix, SAMOVARD, "--frontend", front, "--backend", back, *options]
        if config is not None:
            arguments += ["--config", self.config(config)]
        log = self.path(f"samovard-{len(self.programs)}.log")
        broker = Broker(self.context, "samovard", arguments, log, self.env, self.directory)
        self.programs.append(broker)
        broker.wait_until_ready()
        return broker

    def pool(
        self,
        backend: str,
        app: str = "kitchen:service",
        workers: int = 1,
        *options: Any,
        wait: bool = True,
    ) -> Program:
        """Starts samovar-worker in the directory of the apps; waits until the whole pool is ready."""
        arguments = [SAMOVAR_WORKER, app, "--connect", backend, "--workers", workers, *options]
        pool = self.run(*arguments, cwd=APPS, name="samovar-worker")
        if wait:
            pool.wait_for_line(r"^samovar-worker: .* ready ")
        return pool

    def samovar(self, broker: Broker, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Runs the command samovar against this broker, to its end."""
        return subprocess.run(
            [str(each) for each in (SAMOVAR, "--endpoint", broker.frontend, *arguments)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * CAP_S,
            check=False,
        )

    # --- the end ---------------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """All that descends from what was started here and still runs."""
        found = []
        for directory in Path("/proc").iterdir():
            try:
                if self._mark.encode() in (directory / "environ").read_bytes():
                    found.append(int(directory.name))
            except (OSError, ValueError):
                continue
        return [pid for pid in found if is_running(pid)]

    def end(self) -> None:
        """Ends everything; raises AssertionError for what was left behind."""
        stubborn = [program.name for program in reversed(self.programs) if not program.stop()]
        try:
            assert not stubborn, f"did not stop after two SIGTERMs: {stubborn}"
            wait_until(lambda: not self.processes(), "processes were left behind", cap=10)
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
        for program in self.programs:
            assert program.process.returncode not in _CRASHES, f"{program.name} crashed"
            assert not program.lines("Sanitizer"), f"{program.name} has a defect"
            assert not program.lines("runtime error:"), f"{program.name} has undefined behaviour"
        if not any(program.process.returncode == -signal.SIGKILL for program in self.programs):
            left = [path.name for path in self.directory.iterdir() if _belongs_to_an_endpoint(path)]
            assert not left, f"files were left behind: {left}"


def _belongs_to_an_endpoint(path: Path) -> bool:
    return path.is_socket() or path.suffix == ".lock"


def shared_memory() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if "samovar" in name}
