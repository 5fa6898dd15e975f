"""The supervisor of a pool: starts workers, reads what they print, reaps them, and reports their deaths.

One thread and one loop. It never imports the app, so that no app can take it down.

    supervisor.py   the loop
    sessions.py     the brokers
    staff.py        its workers and generations: starts, ends, replaces
    pool.py         which workers there should be
"""

import contextlib
import logging
import math
import os
import secrets
import signal
import time
from dataclasses import dataclass
from typing import Any

import zmq

from samovar.endpoints import Addresses
from samovar.host import clock_name
from samovar.keys import BadKey, read_keys
from samovar.orphan import Guardian
from samovar.output import Sink
from samovar.ready_file import ReadyFile
from samovar.reload import Answer, Command
from samovar.sessions import Encode, Sessions
from samovar.staff import Staff
from samovar.staff_options import StaffOptions

log = logging.getLogger("samovar")

_WAKING = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class PoolOptions:
    """What `samovar-worker` was asked for. Times in seconds."""

    staff: StaffOptions
    stop_grace: float
    ready_file: str | None = None
    parent_pid: int | None = None  # samovard's, if that has started this pool
    pool_id: str | None = None  # under which the next samovard finds it
    orphan_grace: float = 0.0


class Supervisor:
    """Keeps a pool of workers running until a signal stops it. Use it in the main thread, once."""

    def __init__(self, options: PoolOptions, output: Sink) -> None:
        """Raises zmq.ZMQError for an endpoint that libzmq refuses, and keys.BadKey."""
        self._options = options
        self._ready_file = ReadyFile(options.ready_file)
        self._token = secrets.token_hex(16)
        self._staff = Staff(options.staff, self._token, output, self._send_obituary)
        self._stop_by: float | None = None  # when what still runs is killed
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._guardian = Guardian(options.parent_pid, options.pool_id, options.orphan_grace)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        hello = {
            "role": "supervisor",
            "pid": os.getpid(),
            "name": options.staff.service_name or options.staff.target,
            "clock": clock_name(),
            "token": self._token,
        }
        try:
            self._sessions = Sessions(
                self._context,
                Addresses(options.staff.brokers, self._wake),
                hello,
                read_keys(options.staff.key_files),
            )
        except (zmq.ZMQError, BadKey):
            self._context.destroy(linger=0)
            raise

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is full: the loop will wake up; or closed
            os.write(self._wakeup_write, b"\0")

    def _send_obituary(self, broker: int, encode: Encode) -> None:
        self._sessions.send_obituary(broker, encode)

    def run(self) -> int:
        """Serves until stopped; returns the exit code: 0, or 1 if the app could not be loaded at all."""
        for number in _WAKING:
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        staff = self._staff
        try:
            staff.begin(self._sessions.brokers)
            while True:
                now = time.monotonic()
                staff.tick(now)
                if self._stop_by is not None and now >= self._stop_by:
                    self._stop_by = None
                    staff.kill_all(f"it did not stop within {self._options.stop_grace:g} s")
                if self._sessions.follow(now):
                    staff.serve(self._sessions.brokers)
                self._sessions.let_go(staff.serves)
                if self._guardian.gave_up(now):
                    self._stop("its samovard is gone and no other one came")
                self._tell_brokers()
                self._ready_file.show(self._serves())
                if staff.pool.stopping and staff.all_gone():
                    return staff.exit_code
                self._wait()
                staff.reap()
        finally:
            staff.kill_all("its supervisor failed")
            self._sessions.close()
            self._context.term()
            self._guardian.close()
            staff.close()
            self._ready_file.show(False)

    def _serves(self) -> bool:
        pool = self._staff.pool
        return self._sessions.joined and pool.ready_workers() > 0 and not pool.stopping

    def _wait(self) -> None:
        """Sleeps until something happens, and handles what the descriptors have to say."""
        sources: list[tuple[Any, int]] = [(self._wakeup_read, zmq.POLLIN)]
        sources += [(socket, zmq.POLLIN) for socket in self._sessions.sources()]
        staff_sources = self._staff.sources()
        sources += [(fd, zmq.POLLIN) for fd in staff_sources]
        sources += [(fd, zmq.POLLIN) for fd in self._guardian.sources()]
        wait = self._seconds_to_wait(time.monotonic())
        ready: list[tuple[Any, int]] = zmq.zmq_poll(
            sources, -1 if wait is None else math.ceil(wait * 1000)
        )
        now = time.monotonic()
        for source, _ in ready:
            if source == self._wakeup_read:
                self._read_signals()
            elif source in staff_sources:
                staff_sources[source]()
            elif isinstance(source, int):
                self._guardian.handle(source, now)
        self._sessions.serve(now, self._obey)

    def _seconds_to_wait(self, now: float) -> float | None:
        times = [
            self._staff.seconds_to_wait(now),
            self._sessions.seconds_to_wait(now),
            self._guardian.seconds_to_wait(now),
            None if self._stop_by is None else self._stop_by - now,
        ]
        known = [each for each in times if each is not None]
        return max(0.0, min(known)) if known else None

    def _read_signals(self) -> None:
        for number in os.read(self._wakeup_read, 4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop(signal.Signals(number).name)
            elif number == signal.SIGHUP:
                self._staff.reloads.begin("SIGHUP", None)

    def _stop(self, why: str) -> None:
        """The first time workers finish what they have; the second time they are killed."""
        if self._staff.pool.stopping:
            log.warning("%s again: killing what still runs", why)
            self._staff.exit_code = self._staff.exit_code or 1
            self._staff.kill_all(f"{why} came twice")
            return
        log.info("stopping (%s): what runs may finish; a second signal ends at once", why)
        self._stop_by = time.monotonic() + self._options.stop_grace
        self._staff.stop()

    # --- the brokers -----------------------------------------------------------------------------------

    def _obey(self, command: Command, name: str, args: list[Any]) -> None:
        staff = self._staff
        if name == "reload":
            staff.reloads.begin("samovar reload", command)
        elif name == "scale":
            staff.reloads.answers.append(staff.scale(command, args))
        else:
            staff.reloads.answers.append(Answer(command, False, f"unknown: {name!r}"))

    def _tell_brokers(self) -> None:
        answers = list(self._staff.reloads.answers)
        self._staff.reloads.answers.clear()
        self._sessions.tell(self._staff.describe(), answers)
