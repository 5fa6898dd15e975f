"""The brokers that a worker serves: a link to each, opened and left as its supervisor says."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq

from samovar import wire
from samovar.board import SESSIONS, Slot
from samovar.connection import Change, Connection
from samovar.executor import Executor
from samovar.fork_guard import ForkGuard
from samovar.host import clock_name
from samovar.keys import read_keys
from samovar.link import Link, State
from samovar.orders import Brokers
from samovar.service import Service

if TYPE_CHECKING:
    from samovar.scheduler import Scheduler

log = logging.getLogger("samovar")

# How long replies may take to leave when a link is closed.
_LINGER_MS = 5000
# With one broker a receive waits so long itself before the loop polls: calls that follow one another sooner cost no poll,
# which asks the kernel about all descriptors several times (measured: 25 us of CPU for a lone call, 55 before).
# A signal, or what the monitor has to say, waits no longer than this.
_RECEIVE_WAIT_MS = 5


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker presents itself. `supervisor` is the token of the one that reports its death."""

    service_name: str
    worker_name: str
    credit: int
    supervisor: str | None = None
    hide_tracebacks: bool = False
    generation: int = 0
    health_interval: float = 10.0  # seconds
    hard_timeout: float | None = None  # seconds: the pool's, for methods that have none
    key_files: tuple[str, str] | None = None  # keys.read_keys()


class Links:
    """Those of one worker. Used in its loop's thread.

    `all` is replaced, not changed: a loop over it goes on over what it was. `on_ready` is called when a broker has been told
    that the worker is ready; `on_left` when one of an earlier list has been left.
    """

    def __init__(
        self,
        service: Service,
        options: WorkerOptions,
        board: Slot,
        guard: ForkGuard,
        scheduler: "Scheduler | None",
        on_ready: Callable[[], None],
        on_left: Callable[[], None],
    ) -> None:
        """Raises keys.BadKey."""
        self.all: list[Link] = []
        self._service = service
        self._options = options
        self._board = board
        self._guard = guard
        self._scheduler = scheduler
        self._on_ready = on_ready
        self._on_left = on_left
        self._keys = read_keys(options.key_files)
        self._uid = wire.new_nonce()
        self._wanted: Brokers = []
        self._stopping = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)

    @property
    def all_left(self) -> bool:
        """After stop(): no more requests come."""
        return self._stopping and all(link.state is State.LEFT for link in self.all)

    @property
    def any_session(self) -> bool:
        """Whether anybody is there to be answered."""
        return any(link.epoch for link in self.all)

    def serve(self, brokers: Brokers) -> None:
        """From now on these, and no others. Raises nothing: what cannot be connected to is told in the log."""
        self._wanted = brokers
        numbers = {number for number, _ in brokers}
        for link in self.all:
            if link.number not in numbers:
                link.leave()
        self._settle()

    def look_after(self) -> None:
        """What is to be done now and then, in each turn of the loop that has time for it."""
        self._tell_brokers()
        if any(link.state is State.LEFT for link in self.all):
            self._settle()

    def _settle(self) -> None:
        """Closes what has been left, once nothing runs for it; opens what is wanted, as far as the board has room."""
        if self._stopping:
            return
        over = [link for link in self.all if self._is_over(link)]
        self.all = [link for link in self.all if link not in over]
        for link in over:
            link.close(_LINGER_MS)
            if self._scheduler is not None:
                self._scheduler.links.remove(link)
            self._on_left()
        known = {link.number for link in self.all}
        for number, endpoint in self._wanted:
            if number not in known and len(self.all) < SESSIONS:
                self._open(number, endpoint)
        alone = len(self.all) == 1 and self._scheduler is None
        for link in self.all:
            link.connection.receive_wait_ms = _RECEIVE_WAIT_MS if alone else 0

    def _is_over(self, link: Link) -> bool:
        if link.state is not State.LEFT:
            return False
        return self._scheduler is None or self._scheduler.holds_nothing_of(link)

    def stop(self) -> None:
        """Leaves all."""
        self._stopping = True
        for link in self.all:
            link.leave()

    def close(self) -> None:
        for link in self.all:
            link.close(_LINGER_MS)
        self._context.term()

    def _open(self, number: int, endpoint: str) -> None:
        options = self._options
        hello = {
            "role": "worker",
            "pid": os.getpid(),
            "name": options.worker_name,
            "clock": clock_name(),
        }
        try:
            connection = Connection(self._context, endpoint, hello, self._keys)
        except zmq.ZMQError as error:
            log.error("cannot connect to %s: %s", endpoint, error)
            self._wanted = [each for each in self._wanted if each[0] != number]
            return
        taken = {link.place for link in self.all}
        place = next(place for place in range(SESSIONS) if place not in taken)
        link = Link(number, connection, self._board, place, self._guard, self._changed)
        link.executor = Executor(
            self._service, options.service_name, link.session, link.send, options.hide_tracebacks
        )
        link.run = link.executor.run
        if self._scheduler is not None:
            self._attach(link, self._scheduler)
        self.all = [*self.all, link]

    def _attach(self, link: Link, scheduler: "Scheduler") -> None:
        from samovar.inbox import Inbox
        from samovar.outbox import Outbox
        from samovar.running import Running

        link.inbox = Inbox(link, scheduler)
        link.receive = link.inbox.receive
        link.outbox = Outbox(link.executor.encoder, link.send)
        link.running = Running(link.session, round((self._options.hard_timeout or 0) * 1000))
        link.run = partial(scheduler.take, link)
        scheduler.links.append(link)

    def _changed(self, link: Link, change: Change) -> None:
        if change is Change.BEGAN:
            if link.state is State.JOINING and not self._stopping:
                self._announce(link)
            else:
                link.state = State.LEFT
        elif change is Change.ENDED and self._scheduler is not None:
            self._scheduler.end_session(link)
        self._tell_brokers()

    def _announce(self, link: Link) -> None:
        options, service = self._options, self._service
        link.executor.encoder.max_body = link.connection.max_body
        if self._scheduler is not None:
            self._scheduler.begin_session(link)
        concurrency = service.concurrency
        brokers = self._served() + 1
        ready: dict[str, Any] = {
            "service": options.service_name,
            "methods": {name: method.announce() for name, method in service.methods.items()},
            "credit": options.credit,
            "pid": os.getpid(),
            "uid": self._uid,
            "name": options.worker_name,
            "supervisor": options.supervisor,
            "generation": options.generation or None,
            "concurrency": concurrency if concurrency > 1 else None,
            "brokers": brokers if brokers > 1 else None,
            "schema": service.schema,
        }
        link.say_ready(ready)
        self._on_ready()

    def _served(self) -> int:
        return sum(link.state is State.READY for link in self.all)

    def _tell_brokers(self) -> None:
        """Whoever shares this worker is to know with how many others."""
        brokers = self._served()
        for link in self.all:
            link.tell_brokers(brokers)
