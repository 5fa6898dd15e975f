"""A worker's loop: one thread that receives, runs and replies, and keeps itself registered."""

import logging
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zmq

from samovar import wire
from samovar.attached import Frame
from samovar.board import DOOMED, REQUESTS, Slot
from samovar.bundles import REQUEST_HEAD, REQUEST_ITEM, decode_requests, place_arrays
from samovar.connection import Change, Connection
from samovar.executor import Executor
from samovar.fork_guard import STOP_SIGNALS, ForkGuard
from samovar.health import HealthCheck
from samovar.host import clock_name
from samovar.keys import read_keys
from samovar.service import Service
from samovar.wire import Message, WireError

if TYPE_CHECKING:
    import asyncio

    from samovar.inbox import Inbox
    from samovar.scheduler import Scheduler

log = logging.getLogger("samovar")

# How long replies may take to leave when the worker ends.
_LINGER_MS = 5000
# The loop looks around this often even if nothing wakes it: a handler may have replaced the wake-up
# descriptor of signals (asyncio does).
_LONGEST_WAIT_S = 1.0
# A receive waits so long itself before the loop polls: calls that follow one another sooner cost no poll, which
# asks the kernel about all three descriptors several times (measured: 25 us of CPU for a lone call, 55 before).
# A signal, or what the monitor has to say, waits no longer than this.
_RECEIVE_WAIT_MS = 5
# A connection that breaks is not replaced sooner (Connection's reconnect interval): until then what is sent
# cannot reach another broker than the one that it is for.
_SAME_CONNECTION_S = 0.01
# With other kinds of handler than plain ones, messages are taken in for at most this long at a time; and while there
# is always something to do, the loop looks at its descriptors this often.
_RECEIVE_TURN_S = 0.001
_LOOK_EVERY_S = 0.01
_LISTS = frozenset({list})


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker presents itself. `supervisor` is the token of the one that reports its death."""

    endpoint: str
    service_name: str
    worker_name: str
    credit: int
    supervisor: str | None = None
    hide_tracebacks: bool = False
    generation: int = 0
    health_interval: float = 10.0  # seconds
    hard_timeout: float | None = None  # seconds: the pool's, for methods that have none
    key_files: tuple[str, str] | None = None  # keys.read_keys()


class Worker:
    """Serves one service to one broker until it is told to stop. Everything happens in run()'s thread.

    A service of plain functions has a loop of its own, without asyncio, a scheduler or further threads.

    request_stop() may be called from a signal handler.
    """

    def __init__(
        self,
        service: Service,
        options: WorkerOptions,
        board: Slot,
        on_ready: Callable[[], None] = lambda: None,
        on_unhealthy: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._options = options
        self._service = service
        self._board = board
        self._on_ready = on_ready
        self._health = HealthCheck(service, options.health_interval, board, on_unhealthy)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        hello = {
            "role": "worker",
            "pid": os.getpid(),
            "name": options.worker_name,
            "clock": clock_name(),
        }
        simple = not service.needs_scheduler
        self._connection = Connection(
            self._context,
            options.endpoint,
            hello,
            _RECEIVE_WAIT_MS if simple else 0,
            read_keys(options.key_files),
        )
        self._executor = Executor(
            service, options.service_name, board, self._send, options.hide_tracebacks
        )
        self._run: Any = self._executor.run
        self._loop: "asyncio.AbstractEventLoop | None" = None
        self._scheduler: "Scheduler | None" = None
        self._inbox: "Inbox | None" = None
        if not simple:
            self._schedule()
        self._looked_at = 0.0
        self._drained = False
        self._monitor_read_at = 0.0
        self._same_clock = False
        self._stop_requested = False
        self._draining = False
        self._done = False
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._fork_guard = ForkGuard(board)

    def _schedule(self) -> None:
        from samovar.inbox import Inbox
        from samovar.outbox import Outbox
        from samovar.scheduler import Scheduler

        service, options = self._service, self._options
        if service.needs_event_loop:
            from samovar import event_loop

            self._loop = event_loop.new_event_loop(self._turn)
        self._scheduler = Scheduler(
            service,
            options.service_name,
            self._board,
            self._executor,
            Outbox(self._executor.encoder, self._send),
            self._wake,
            self._loop,
            options.hide_tracebacks,
            round((options.hard_timeout or 0) * 1000),
        )
        self._inbox = Inbox(self._connection, self._scheduler)
        self._scheduler.listen = self._inbox.listen
        self._run = self._scheduler.take

    def _wake(self) -> None:
        try:
            os.write(self._wakeup_write, b"\0")
        except BlockingIOError:  # it is full: the loop will wake up
            pass

    def request_stop(self) -> None:
        """Takes no new requests, answers those that have been sent here, then lets run() return."""
        self._stop_requested = True

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT become request_stop(). Call it in the main thread."""
        for number in STOP_SIGNALS:
            signal.signal(number, lambda _number, _frame: self.request_stop())
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serves until a requested stop is complete."""
        try:
            if self._loop is not None:
                self._loop.run_forever()
            while not self._done:
                if self._scheduler is not None:
                    self._turn(None)
                else:
                    self._receive_all()
                    self._wait()
        except BaseException:
            self._fork_guard.check()
            raise
        finally:
            if self._loop is not None and self._scheduler is not None:
                from samovar import event_loop

                self._done = True
                event_loop.finish(self._loop, self._scheduler.tasks)
            self._connection.close(_LINGER_MS)
            self._context.term()

    def _receive_all(self) -> None:
        connection = self._connection
        receive = connection.receive
        while not self._done:
            received = receive()
            if received is None:
                break
            self._handle(*received)
            if self._stop_requested and not self._draining:
                self._drain()
        if self._stop_requested and not self._draining:
            self._drain()

    def _turn(self, most: float | None, also: int | None = None) -> None:
        """One turn with a scheduler: takes in what is there, lets everything advance, waits for at most `most` s.

        `also` is a descriptor that ends the wait.
        """
        scheduler, inbox = self._scheduler, self._inbox
        assert scheduler is not None and inbox is not None
        if self._done:
            if also is not None:  # the event loop is being ended
                zmq.zmq_poll([(also, zmq.POLLIN)], -1 if most is None else math.ceil(most * 1000))
            return
        until = time.monotonic() + _RECEIVE_TURN_S
        worked = drained_dry = False
        while not self._done and time.monotonic() < until:
            received = inbox.receive()
            if received is None:
                drained_dry = True
                break
            worked = True
            self._handle(*received)
        if self._stop_requested and not self._draining:
            self._drain()
        worked |= scheduler.step()
        if self._drained and scheduler.idle:
            self._done = True
        if self._done:
            if self._loop is not None:
                self._loop.stop()
            return
        waits = [most, scheduler.seconds_to_wait(), None if drained_dry and not inbox else 0.0]
        wait = min((each for each in waits if each is not None), default=_LONGEST_WAIT_S)
        if scheduler.busy or (worked and also is not None):
            wait = 0.0  # asyncio knows only when it is asked again how long it may wait now
        if wait or time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._wait(wait, also)
            self._looked_at = time.monotonic()

    def _wait(self, most: float = _LONGEST_WAIT_S, also: int | None = None) -> None:
        if self._done:
            return
        now = time.monotonic()
        wait = self._connection.seconds_to_wait(now)
        wait = most if wait is None else min(wait, most)
        wait = min(wait, _LONGEST_WAIT_S)
        wait = min(wait, self._health.seconds_to_wait(now))
        sources: list[tuple[Any, int]] = [
            (self._connection.socket, zmq.POLLIN),
            (self._connection.monitor, zmq.POLLIN),
            (self._wakeup_read, zmq.POLLIN),
        ]
        if also is not None:
            sources.append((also, zmq.POLLIN))
        ready: list[tuple[Any, int]] = zmq.zmq_poll(sources, math.ceil(wait * 1000))
        now = time.monotonic()
        for source, _ in ready:
            if source is self._connection.monitor:
                self._read_monitor(now)
            elif source == self._wakeup_read:
                os.read(self._wakeup_read, 4096)
        self._connection.tick(now)
        if not ready and (self._scheduler is None or self._scheduler.idle):
            self._health.tick(now)

    def _handle(self, frame: bytes, attachments: list[Frame]) -> None:
        """One message. The usual REQUEST goes straight to the executor; the rest is looked at closely."""
        try:
            message = wire.unpack(frame)
            if not (
                message[1] == wire.REQUEST
                and message[0] == wire.VERSION
                and not attachments
                and (len(message) - REQUEST_HEAD) % REQUEST_ITEM == 0
                and _LISTS.issuperset(map(type, message[REQUEST_HEAD + 5 :: REQUEST_ITEM]))
            ):
                if (
                    self._inbox is not None
                    and message[1] in (wire.CANCEL, wire.WINDOW)
                    and not attachments
                ):
                    self._inbox.tell_scheduler(message)
                    return
                message = self._look_closely(frame, attachments)
        except Exception:  # msgpack's many, or a message that is no array
            message = self._look_closely(frame, attachments)
        if message is None or message[2] != self._connection.epoch or not message[2]:
            return  # handled, or of an earlier session
        received_ns = time.monotonic_ns()
        sent_ns = message[3] * 1000
        if not self._same_clock or not 0 < sent_ns <= received_ns:
            sent_ns = received_ns
        self._board.words[REQUESTS] += (len(message) - REQUEST_HEAD) // REQUEST_ITEM
        try:
            self._run(message, received_ns, sent_ns, attachments)
        except (TypeError, ValueError, WireError) as error:
            self._fork_guard.check()
            self._changed(
                self._connection.restart(time.monotonic(), f"malformed bundle: {error!r}")
            )

    def _look_closely(self, frame: bytes, attachments: list[Frame]) -> Message | None:
        """The REQUEST, checked item by item; or None after any other message was handled."""
        now = time.monotonic()
        self._read_monitor(now)
        try:
            requests = decode_requests(frame, len(attachments))
            if attachments:
                place_arrays(requests, attachments)
            return requests
        except WireError as error:
            why = str(error)
        message = self._connection.decode_control(frame, attachments)
        if message is None or message[1] == wire.REQUEST:
            # Nobody can say which requests it held: a new session makes the broker end those that it sent.
            self._changed(self._connection.restart(now, f"malformed message: {why}"))
            return None
        self._handle_control(message, now)
        return None

    def _handle_control(self, message: Message, now: float) -> None:
        if message[1] == wire.DRAINED:
            # Everything dispatched came before it, and has been answered.
            if self._draining and message[2] == self._connection.epoch:
                self._drained = True
                if self._scheduler is None:
                    self._done = True
                else:
                    self._scheduler.last_has_come = True
            return
        try:
            self._changed(self._connection.handle(message, now))
        except WireError as error:
            log.error("dropped a message of the broker: %s", error)

    def _changed(self, change: Change) -> None:
        if change is Change.BEGAN:
            self._begin_session()
        elif change is Change.ENDED:
            self._board.begin_session(0)
            if self._scheduler is not None:
                self._scheduler.end_session()
            if self._draining:
                self._done = True

    def _begin_session(self) -> None:
        if self._stop_requested:
            self._done = True
            return
        connection, options = self._connection, self._options
        self._same_clock = connection.same_clock()
        self._executor.encoder.max_body = connection.max_body
        self._board.begin_session(connection.epoch)
        if self._scheduler is not None:
            self._scheduler.begin_session(connection.epoch)
        methods = {name: method.announce() for name, method in self._service.methods.items()}
        concurrency = self._service.concurrency
        ready: dict[str, Any] = {
            "service": options.service_name,
            "methods": methods,
            "credit": options.credit,
            "pid": os.getpid(),
            "name": options.worker_name,
            "supervisor": options.supervisor,
            "generation": options.generation or None,
            "concurrency": concurrency if concurrency > 1 else None,
            "schema": self._service.schema,
        }
        self._send([wire.encode_control(wire.READY, connection.epoch, ready)])
        self._on_ready()

    def _drain(self) -> None:
        """The stop was requested: tell the broker; without a session there is nothing to finish."""
        self._draining = True
        self._read_monitor(time.monotonic())
        if self._connection.epoch == 0:
            self._done = True
        else:
            self._send([wire.encode_control(wire.DRAIN, self._connection.epoch, {})])

    def _send(self, frames: list[Any]) -> None:
        """Sends a message of this session; waits while the broker does not take it; drops it if it ends."""
        if self._fork_guard.forked:
            self._fork_guard.check()
        while self._board.words[DOOMED]:
            signal.pause()
        connection = self._connection
        epoch = connection.epoch
        now = time.monotonic()
        if now - self._monitor_read_at > _SAME_CONNECTION_S:
            self._read_monitor(now)
        while epoch and epoch == connection.epoch and not connection.try_send(frames):
            zmq.zmq_poll(
                [(connection.socket, zmq.POLLOUT), (connection.monitor, zmq.POLLIN)],
                int(_LONGEST_WAIT_S * 1000),
            )
            self._read_monitor(time.monotonic())

    def _read_monitor(self, now: float) -> None:
        self._monitor_read_at = now
        self._changed(self._connection.read_monitor(now))
