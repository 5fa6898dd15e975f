"""The supervisor of a pool: starts workers, reads what they print, reaps them, and reports their deaths.

One thread and one loop. It never imports the app, so that no app can take it down.

    supervisor.py   the loop
    staff.py        its workers and generations: starts, ends, replaces
    pool.py         which workers there should be
"""

import logging
import math
import os
import secrets
import signal
import time
from dataclasses import dataclass
from typing import Any

import zmq

from samovar import wire
from samovar.connection import Change, Connection
from samovar.host import clock_name
from samovar.output import Sink
from samovar.orphan import Guardian
from samovar.pool import encode_pool
from samovar.keys import BadKey, read_keys
from samovar.ready_file import ReadyFile
from samovar.staff import Staff
from samovar.staff_options import StaffOptions
from samovar.wire import Message, WireError

log = logging.getLogger("samovar")

_LINGER_MS = 500
_RETRY_S = 0.05  # for what the broker did not take
_PATIENCE_S = 2.0  # so long the log is silent about a broker that does not answer
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
        self._pool_sent: object = None  # what the broker was told last in this session
        self._unsent: list[tuple[int, dict[str, Any]]] = []  # COMMAND_DONEs, with their sessions
        self._retry = False
        self._stop_by: float | None = None  # when what still runs is killed
        self._lonely_at: float | None = time.monotonic() + _PATIENCE_S  # when the log says so
        self._missed = False  # the log has said that there is no broker
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
            self._connection = Connection(
                self._context,
                options.staff.endpoint,
                hello,
                keys=read_keys(options.staff.key_files),
            )
        except (zmq.ZMQError, BadKey):
            self._context.term()
            raise

    def run(self) -> int:
        """Serves until stopped; returns the exit code: 0, or 1 if the app could not be loaded at all."""
        for number in _WAKING:
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        staff = self._staff
        try:
            staff.begin()
            while True:
                now = time.monotonic()
                staff.tick(now)
                if self._stop_by is not None and now >= self._stop_by:
                    self._stop_by = None
                    staff.kill_all(f"it did not stop within {self._options.stop_grace:g} s")
                self._note_loneliness(now)
                if self._guardian.gave_up(now):
                    self._stop("its samovard is gone and no other one came")
                self._tell_broker()
                self._ready_file.show(self._serves())
                if staff.pool.stopping and staff.all_gone():
                    return staff.exit_code
                self._wait()
                staff.reap()
        finally:
            staff.kill_all("its supervisor failed")
            self._connection.close(_LINGER_MS)
            self._context.term()
            self._guardian.close()
            staff.close()
            self._ready_file.show(False)

    def _serves(self) -> bool:
        pool = self._staff.pool
        return bool(self._connection.epoch and pool.ready_workers() and not pool.stopping)

    def _wait(self) -> None:
        """Sleeps until something happens, and handles what the descriptors have to say."""
        connection = self._connection
        sources: list[tuple[Any, int]] = [
            (connection.socket, zmq.POLLIN),
            (connection.monitor, zmq.POLLIN),
            (self._wakeup_read, zmq.POLLIN),
        ]
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
        self._serve_connection(now)

    def _seconds_to_wait(self, now: float) -> float | None:
        times = [
            self._staff.seconds_to_wait(now),
            self._connection.seconds_to_wait(now),
            self._guardian.seconds_to_wait(now),
            None if self._stop_by is None else self._stop_by - now,
            None if self._lonely_at is None else self._lonely_at - now,
            _RETRY_S if self._retry else None,
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

    # --- the broker ------------------------------------------------------------------------------------

    def _note_loneliness(self, now: float) -> None:
        """Says once that no broker has answered since the start."""
        if self._lonely_at is not None and now >= self._lonely_at:
            self._lonely_at = None
            self._missed = True
            endpoint = self._options.staff.endpoint
            log.warning("no broker answers at %s: waiting for one; is that its backend?", endpoint)

    def _found_broker(self) -> None:
        self._lonely_at = None
        if self._missed:
            log.info("the broker at %s is there", self._options.staff.endpoint)
        self._missed = False

    def _serve_connection(self, now: float) -> None:
        connection = self._connection
        if connection.read_monitor(now) is Change.ENDED:
            self._missed = True
        connection.tick(now)
        while (received := connection.receive()) is not None:
            message = connection.decode_control(*received)
            if message is None:
                continue
            try:
                if message[1] == wire.COMMAND:
                    self._command(message)
                elif connection.handle(message, now) is Change.BEGAN:
                    self._pool_sent = None
                    self._found_broker()
            except WireError as error:
                log.error("dropped a message of the broker: %s", error)

    def _command(self, message: Message) -> None:
        """PROTOCOL.md 5.11. Raises WireError."""
        if message[2] != self._connection.epoch:
            return
        id_, command, args = wire.decode_command(message)
        if command == "reload":
            self._staff.reloads.begin("samovar reload", id_)
        elif command == "scale":
            self._staff.reloads.answers.append(self._staff.scale(id_, args))
        else:
            self._staff.reloads.answers.append(
                {"id": id_, "ok": False, "message": f"unknown: {command!r}"}
            )

    def _tell_broker(self) -> None:
        """Sends POOL when something in it has changed, or the broker does not know it yet; answers commands."""
        epoch = self._connection.epoch
        self._unsent += [(epoch, answer) for answer in self._staff.reloads.answers]
        self._staff.reloads.answers.clear()
        self._retry = False
        # Of an earlier session: nobody waits for it any more.
        self._unsent = [(session, answer) for session, answer in self._unsent if session == epoch]
        while self._unsent and epoch:
            frame = wire.encode_control(wire.COMMAND_DONE, epoch, self._unsent[0][1])
            if not self._connection.try_send([frame]):
                self._retry = True
                break
            self._unsent.pop(0)
        description = self._staff.describe()
        if description is None or not epoch or description == self._pool_sent:
            return
        if self._connection.try_send([encode_pool(epoch, description)]):
            self._pool_sent = description
        else:
            self._retry = True

    def _send_obituary(self, encode: Any) -> None:
        """`encode` makes the frame for a session's epoch; without one the broker has lost the worker as well."""
        epoch = self._connection.epoch
        if epoch and not self._connection.try_send([encode(epoch)]):
            log.error("the broker does not take an obituary")
