"""The supervisor of a pool: starts workers, reads what they print, reaps them, and reports their deaths.

One thread and one loop. It never imports the app, so that no app can take it down.
"""

import logging
import math
import os
import random
import secrets
import signal
import time
from dataclasses import dataclass
from typing import Any

import zmq

from samovar.board import STARTED_NS, Board
from samovar.connection import Change, Connection
from samovar.host import clock_name, out_of_memory_kills
from samovar.launcher import Launcher, ProcessLauncher
from samovar.obituary import Death, encode_obituary
from samovar.output import LineReader, Sink
from samovar.pool import Pool, encode_pool
from samovar.slot import Backoff, Slot, State
from samovar.wire import WireError
from samovar.worker_main import WorkerConfig

log = logging.getLogger("samovar")

_LINGER_MS = 500
_RETRY_S = 0.05  # for what the broker did not take, and for starts that the system refused
_WAKING = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class PoolOptions:
    """What `samovar-worker` was asked for. Times in seconds."""

    target: str
    endpoint: str
    workers: int
    service_name: str | None
    credit: int
    hide_tracebacks: bool
    hard_timeout: float | None
    stop_grace: float


class Supervisor:
    """Keeps `options.workers` workers running until a signal stops it. Use it in the main thread, once."""

    def __init__(self, options: PoolOptions, output: Sink) -> None:
        self._options = options
        self._output = output
        self._token = secrets.token_hex(16)
        self._board = Board(options.workers)
        self._launcher: Launcher = ProcessLauncher(self._worker_config())
        rng = random.Random()
        self._slots = [
            Slot(number, board, Backoff(rng)) for number, board in enumerate(self._board.slots)
        ]
        self._pool = Pool(self._slots, options.service_name)
        self._pool_sent: object = None  # what the broker was told last in this session
        self._pool_unsent = False
        self._announced = False
        self._oom_kills = out_of_memory_kills()
        self._stop_by: float | None = None  # when what still runs is killed
        self._exit_code = 0
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        hello = {
            "role": "supervisor",
            "pid": os.getpid(),
            "name": options.service_name or options.target,
            "clock": clock_name(),
            "token": self._token,
        }
        try:
            self._connection = Connection(self._context, options.endpoint, hello)
        except zmq.ZMQError:
            self._context.term()
            raise

    def _worker_config(self) -> WorkerConfig:
        options = self._options
        return WorkerConfig(
            target=options.target,
            endpoint=options.endpoint,
            service_name=options.service_name,
            worker_name="",
            credit=options.credit,
            token=self._token,
            hide_tracebacks=options.hide_tracebacks,
            supervisor_pid=os.getpid(),
            board_fd=self._board.fd,
            slot=0,
            status_fd=-1,
        )

    def run(self) -> int:
        """Serves until stopped; returns the exit code: 0, or 1 if the app could not be loaded at all."""
        for number in _WAKING:
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        try:
            while True:
                self._start_due()
                self._tell_pool()
                if self._pool.stopping and not self._pool.alive_workers():
                    return self._exit_code
                self._wait()
                self._reap()
                self._kill_overdue()
        finally:
            self._kill_all("its supervisor failed")
            self._connection.close(_LINGER_MS)
            self._context.term()
            self._board.close()

    # --- the loop's steps ------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Sleeps until something happens, and handles what the descriptors have to say."""
        connection = self._connection
        sources: list[tuple[Any, int]] = [
            (connection.socket, zmq.POLLIN),
            (connection.monitor, zmq.POLLIN),
            (self._wakeup_read, zmq.POLLIN),
        ]
        readers = {
            reader.fd: (slot, reader)
            for slot in self._slots
            for reader in slot.readers
            if reader.open
        }
        sources += [(fd, zmq.POLLIN) for fd in readers]
        wait = self._seconds_to_wait(time.monotonic())
        ready: list[tuple[Any, int]] = zmq.zmq_poll(
            sources, -1 if wait is None else math.ceil(wait * 1000)
        )
        for source, _ in ready:
            if source == self._wakeup_read:
                self._read_signals()
            elif isinstance(source, int):
                self._read_output(*readers[source])
        self._serve_connection(time.monotonic())

    def _seconds_to_wait(self, now: float) -> float | None:
        times = [slot.start_at - now for slot in self._slots if slot.state is State.WAITING]
        if self._pool.stopping:
            times = []
        if self._stop_by is not None:
            times.append(self._stop_by - now)
        if self._pool_unsent:
            times.append(_RETRY_S)
        hard = self._options.hard_timeout
        if hard is not None:
            times += [self._hard_deadline(slot, now) - now for slot in self._slots if slot.handle]
        hello = self._connection.seconds_to_wait(now)
        if hello is not None:
            times.append(hello)
        return max(0.0, min(times)) if times else None

    def _read_signals(self) -> None:
        for number in os.read(self._wakeup_read, 4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop(signal.Signals(number).name)

    def _serve_connection(self, now: float) -> None:
        connection = self._connection
        connection.read_monitor(now)
        connection.tick(now)
        while (received := connection.receive()) is not None:
            message = connection.decode_control(*received)
            if message is None:
                continue
            try:
                if connection.handle(message, now) is Change.BEGAN:
                    self._pool_sent = None
            except WireError as error:
                log.error("dropped a message of the broker: %s", error)

    def _tell_pool(self) -> None:
        """Sends POOL when something in it has changed, or the broker does not know it yet."""
        description = self._pool.describe()
        self._pool_unsent = False
        if description is None or not self._connection.epoch or description == self._pool_sent:
            return
        if self._connection.try_send([encode_pool(self._connection.epoch, description)]):
            self._pool_sent = description
        else:
            self._pool_unsent = True

    # --- workers ---------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.state is State.WAITING and now >= slot.start_at and not self._pool.stopping:
                slot.board.clear()
                try:
                    slot.started(self._launcher.start(slot.number))
                except OSError as error:
                    log.error("cannot start %s: %s", self._tag(slot), error)
                    slot.start_at = now + _RETRY_S + slot.backoff.delay(None)

    def _tag(self, slot: Slot) -> str:
        return f"{self._pool.service or self._options.target}/worker-{slot.number + 1}"

    def _read_output(self, slot: Slot, reader: LineReader) -> None:
        lines = reader.read()
        if reader is slot.readers[-1]:
            for line in lines:
                self._worker_says(slot, line.decode("utf-8", "replace"))
        else:
            self._show(slot, lines)

    def _show(self, slot: Slot, lines: list[bytes]) -> None:
        tag = f"[{self._tag(slot)}] ".encode()
        for line in lines:
            self._output.write_line(tag + line)

    def _worker_says(self, slot: Slot, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "loaded":
            slot.state = State.LOADED
            self._pool.loaded(rest)
        elif word == "ready":
            slot.state = State.READY
            if slot.ready_at is None:
                slot.ready_at = time.monotonic()
            self._announce()
        elif word == "failed":
            slot.status_text = rest

    def _announce(self) -> None:
        """One line when the whole pool is ready for the first time."""
        wanted = self._options.workers
        if self._announced or self._pool.ready_workers() < wanted:
            return
        self._announced = True
        workers = "1 worker" if wanted == 1 else f"{wanted} workers"
        log.info("%s ready (%s, %s)", self._pool.service, workers, self._options.endpoint)

    def _reap(self) -> None:
        """Buries every child that has ended: workers, and strangers whom their parents left behind."""
        by_pid = {slot.handle.pid: slot for slot in self._slots if slot.handle is not None}
        while True:
            try:
                # Not reaped yet: while it is a zombie nobody else gets its number, so its group is its own.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            slot = by_pid.pop(ended.si_pid, None)
            if slot is not None:
                _kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            if slot is not None:
                self._bury(slot, Death.from_wait_status(ended.si_pid, status))

    def _bury(self, slot: Slot, death: Death) -> None:
        """A worker is dead and reaped: tells the broker, then decides what follows."""
        stdout, stderr, status = slot.readers
        for line in status.finish():
            self._worker_says(slot, line.decode("utf-8", "replace"))
        stderr_lines = stderr.finish()
        oom_kills = out_of_memory_kills() if death.signal == signal.SIGKILL else self._oom_kills
        reason = death.sentence(self._tag(slot), slot.killed_because, oom_kills > self._oom_kills)
        self._oom_kills = oom_kills
        board = slot.board.read()
        connection = self._connection
        if board.epoch and connection.epoch:
            obituary = encode_obituary(connection.epoch, death, board, reason, stderr.last)
            if not connection.try_send([obituary]):
                log.error("the broker does not take the obituary of %s", self._tag(slot))
        self._show(slot, stdout.finish() + stderr_lines)
        while_loading = slot.state is State.LOADING
        why = slot.status_text or reason
        slot.died(time.monotonic())
        if self._pool.stopping:
            return
        if not while_loading:
            log.log(logging.INFO if death.exit_code == 0 else logging.WARNING, "%s", reason)
        elif self._pool.ever_loaded:
            log.warning("%s could not load its app: %s", self._tag(slot), why)
            self._pool.load_failed(why)
        else:
            log.error("cannot serve %s: %s", self._options.target, why)
            self._pool.load_failed(why)  # callers hear it, if the service's name is known
            self._exit_code = 1
            self._pool.stopping = True
            self._kill_all("the app could not be loaded")
            return
        self._pool.restarts += 1

    # --- ends ------------------------------------------------------------------------------------------

    def _stop(self, why: str) -> None:
        """The first time workers finish what they have; the second time they are killed."""
        if self._pool.stopping:
            log.warning("%s again: killing what still runs", why)
            self._exit_code = self._exit_code or 1
            self._kill_all(f"{why} came twice")
            return
        self._pool.stopping = True
        self._stop_by = time.monotonic() + self._options.stop_grace
        for slot in self._slots:
            if slot.handle is not None:
                os.kill(slot.handle.pid, signal.SIGTERM)

    def _kill_all(self, because: str) -> None:
        for slot in self._slots:
            if slot.handle is not None:
                self._kill(slot, because)

    def _kill(self, slot: Slot, because: str) -> None:
        # Unreaped, so the number is still its own.
        assert slot.handle is not None
        if slot.killed_because is None:
            slot.killed_because = because
        _kill_group(slot.handle.pid)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        if self._stop_by is not None and now >= self._stop_by:
            self._stop_by = None
            self._kill_all(f"it did not stop within {self._options.stop_grace:g} s")
        hard = self._options.hard_timeout
        if hard is None:
            return
        for slot in self._slots:
            if slot.handle is None or slot.killed_because is not None:
                continue
            if slot.board.words[STARTED_NS] and now >= self._hard_deadline(slot, now):
                request = slot.board.read().last_started
                self._kill(slot, f"request {request} ran longer than --hard-timeout {hard:g} s")
                log.warning("%s: request %d overran --hard-timeout", self._tag(slot), request)

    def _hard_deadline(self, slot: Slot, now: float) -> float:
        """When a call of this worker can have run too long at the earliest."""
        hard = self._options.hard_timeout or math.inf
        started_ns = slot.board.words[STARTED_NS]
        if slot.killed_because is not None or not started_ns:
            return now + hard  # whatever begins from now on
        return float(started_ns / 1e9 + hard)


def _kill_group(pid: int) -> None:
    """Kills a worker and the children that its handlers have left in its process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(pid, signal.SIGKILL)  # before its setsid(), or with no group left
        except ProcessLookupError:
            pass
