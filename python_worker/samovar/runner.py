"""A worker's loop: one thread that receives, runs and replies, and keeps itself registered with its brokers."""

import math
import os
import select
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samovar.board import Slot
from samovar.fork_guard import STOP_SIGNALS, ForkGuard
from samovar.health import HealthCheck
from samovar.link import Link
from samovar.links import Links, WorkerOptions
from samovar.orders import Brokers, Orders
from samovar.service import Service

if TYPE_CHECKING:
    import asyncio

    from samovar.scheduler import Scheduler

# The loop looks around this often even if nothing wakes it: a handler may have replaced the wake-up
# descriptor of signals (asyncio does).
_LONGEST_WAIT_S = 1.0
# With other kinds of handler than plain ones, messages are taken in for at most this long at a time; and while there
# is always something to do, the loop looks at its descriptors this often.
_RECEIVE_TURN_S = 0.001
_LOOK_EVERY_S = 0.01


Poll = Callable[[int], list[tuple[int, int]]]


class Worker:
    """Serves one service to its brokers until it is told to stop. Everything happens in run()'s thread.

    A service of plain functions has a loop of its own, without asyncio, a scheduler or further threads.

    request_stop() may be called from a signal handler.
    """

    def __init__(
        self,
        service: Service,
        options: WorkerOptions,
        board: Slot,
        brokers: Brokers,
        orders: Orders | None = None,
        on_ready: Callable[[], None] = lambda: None,
        on_left: Callable[[], None] = lambda: None,
        on_unhealthy: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`orders` may bring other lists of brokers later. Raises keys.BadKey."""
        self._options = options
        self._service = service
        self._orders = orders
        self._health = HealthCheck(service, options.health_interval, board, on_unhealthy)
        self._loop: "asyncio.AbstractEventLoop | None" = None
        self._scheduler: "Scheduler | None" = None
        if service.needs_scheduler:
            self._schedule()
        self._looked_at = 0.0
        self._stop_requested = False
        self._stopping = False
        self._done = False
        self._poll: Poll  # waits so many milliseconds
        self._watched: list[Link] | None = None  # the links that it waits for
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._fork_guard = ForkGuard(board)
        self._links = Links(
            service, options, board, self._fork_guard, self._scheduler, on_ready, on_left
        )
        self._links.serve(brokers)

    def _schedule(self) -> None:
        from samovar.scheduler import Scheduler

        if self._service.needs_event_loop:
            from samovar import event_loop

            self._loop = event_loop.new_event_loop(self._turn)
        options = self._options
        self._scheduler = Scheduler(
            self._service, options.service_name, self._wake, self._loop, options.hide_tracebacks
        )

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
            self._links.close()

    def _receive_all(self) -> None:
        """Takes in what is there, one message of each broker in turn, and runs it."""
        links = self._links
        came = True
        while came and not self._done:
            came = False
            for link in links.all:
                received = link.receive()
                if received is not None:
                    came = True
                    link.handle(*received)
                if self._stop_requested:
                    self._stop()

    def _stop(self) -> None:
        """The stop was requested: tells the brokers once; it is done when no more requests can come."""
        if not self._stopping:
            self._stopping = True
            self._links.stop()
        if self._links.all_left:
            if self._scheduler is None:
                self._done = True
            else:
                self._scheduler.last_has_come = True
                self._done = self._scheduler.idle or not self._links.any_session

    def _turn(self, most: float | None, also: int | None = None) -> None:
        """One turn with a scheduler: takes in what is there, lets everything advance, waits for at most `most` s.

        `also` is a descriptor that ends the wait.
        """
        scheduler = self._scheduler
        assert scheduler is not None
        if self._done:
            if also is not None:  # the event loop is being ended
                select.select([also], [], [], most)
            return
        until = time.monotonic() + _RECEIVE_TURN_S
        worked = drained_dry = False
        while not drained_dry and time.monotonic() < until:
            drained_dry = True
            for link in self._links.all:
                received = link.receive()
                if received is not None:
                    worked, drained_dry = True, False
                    link.handle(*received)
        worked |= scheduler.step()
        if self._stop_requested:
            self._stop()
        if self._done:
            if self._loop is not None:
                self._loop.stop()
            return
        drained_dry = drained_dry and not any(link.inbox for link in self._links.all)
        waits = [most, scheduler.seconds_to_wait(), None if drained_dry else 0.0]
        wait = min((each for each in waits if each is not None), default=_LONGEST_WAIT_S)
        if scheduler.busy or (worked and also is not None):
            wait = 0.0  # asyncio knows only when it is asked again how long it may wait now
        if wait or time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._wait(wait, also)
            self._looked_at = time.monotonic()

    def _wait(self, most: float = _LONGEST_WAIT_S, also: int | None = None) -> None:
        if self._done:
            return
        links = self._links
        if self._watched is not links.all:
            self._watch(also)
        now = time.monotonic()
        waits = [link.connection.seconds_to_wait(now) for link in links.all]
        waits += [most, _LONGEST_WAIT_S, self._health.seconds_to_wait(now)]
        wait = min(each for each in waits if each is not None)
        if any(link.connection.has_input() for link in links.all):
            wait = 0.0
        ready = {fd for fd, _ in self._poll(math.ceil(wait * 1000))}
        now = time.monotonic()
        if self._wakeup_read in ready:
            os.read(self._wakeup_read, 4096)
        for link in links.all:
            if link.connection.monitor_fd in ready:
                link.read_monitor(now)
            link.connection.tick(now)
        if self._orders is not None and self._orders.fd in ready:
            self._obey(self._orders)
        links.look_after()
        if not ready and (self._scheduler is None or self._scheduler.idle):
            self._health.tick(now)

    def _watch(self, also: int | None) -> None:
        """Makes `_poll`: on descriptors alone, since zmq_poll() asks the kernel about each of its sockets several times."""
        links = self._watched = self._links.all
        fds = [self._wakeup_read]
        for link in links:
            link.read_monitor(time.monotonic())  # until then its descriptor tells nothing
            fds += [link.connection.fd, link.connection.monitor_fd]
        if self._orders is not None and self._orders.open:
            fds.append(self._orders.fd)
        if also is not None:
            fds.append(also)
        poller = select.poll()
        for fd in fds:
            poller.register(fd, select.POLLIN)
        self._poll = poller.poll

    def _obey(self, orders: Orders) -> None:
        orders.read()
        if not orders.open:
            self._watched = None
        brokers = orders.take_brokers()
        if brokers is not None:
            self._links.serve(brokers)
