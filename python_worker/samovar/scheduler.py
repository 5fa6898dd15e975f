"""Begins, advances and ends the requests of a service that has more than plain functions. No sockets here.

Requests begin in the order in which they came, of whichever broker, so that the board tells which ones a dead worker had
begun. One that cannot begin yet (`concurrency` calls are running, or its threads are busy) holds up those behind it.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samovar import attached, explain, wire
from samovar.batches import (
    Collector,
    Raised,
    argument_of,
    await_batch,
    call_batch,
    outcomes_of,
)
from samovar.board import DUE_ID, HARD_MS
from samovar.bundles import REQUEST_HEAD, REQUEST_ITEM, attachments_of
from samovar.call import Call, window_of
from samovar.explain import Failure, Stop
from samovar.conversion import BadArgument
from samovar.method import Kind, Method, without_context
from samovar.running import clock
from samovar.service import Service
from samovar.streams import Streams
from samovar.threads import Threads
from samovar.wire import Message

if TYPE_CHECKING:
    import asyncio

    from samovar.link import Link
    from samovar.tasks import Tasks

log = logging.getLogger("samovar")

# Plain functions run one after the other for at most this long before others have their turn.
_TURN_NS = 1_000_000
_UNKNOWN = Method("", print)


class Scheduler:
    """All calls of one worker. Everything happens in the thread of its loop, which calls step() before it waits.

    `wake` ends that wait, and is called in threads. `loop` is None for a service without async handlers. `links` are those of
    the worker, which adds and removes them.
    """

    def __init__(
        self,
        service: Service,
        name: str,
        wake: Callable[[], None],
        loop: "asyncio.AbstractEventLoop | None" = None,
        hide_tracebacks: bool = False,
    ) -> None:
        self.links: list["Link"] = []
        methods = {f"{name}.{key}": method for key, method in service.methods.items()}
        self._methods = methods
        self._handlers = {key: without_context(method) for key, method in methods.items()}
        self._special = {key for key, method in methods.items() if not method.is_simple}
        self._limits = {key: method.hard_ms for key, method in methods.items() if method.hard_ms}
        self._service = service
        self._concurrency = service.concurrency
        self._hide_tracebacks = hide_tracebacks
        self._waiting: deque[Call] = deque()
        self._steps = 0  # how often something was begun, advanced, stopped or ended
        self.last_has_come = False  # no more requests will: batches need not wait for them
        self._collectors = {
            key: Collector(method.batch) for key, method in methods.items() if method.batch
        }
        threaded = [each for each in service.methods.values() if each.kind is Kind.THREAD]
        self._threads = Threads(threaded, wake)
        self._streams = Streams(self._finish, self._failed)
        self._tasks: "Tasks | None" = None
        if loop is not None:
            from samovar.tasks import Tasks

            self._tasks = Tasks(loop, self._finish, self._failed)

    # --- what the loop asks ----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it holds no request of any session, and nothing runs for an earlier one."""
        return all(map(self.holds_nothing_of, self.links))

    @staticmethod
    def holds_nothing_of(link: "Link") -> bool:
        return not link.held and not link.running

    @property
    def _running(self) -> int:
        """How many calls have begun and not ended."""
        return sum(len(link.running) for link in self.links)

    @property
    def busy(self) -> bool:
        """Whether step() has something to do now."""
        if self._streams.busy or self._waiting and self._can_begin(self._waiting[0]):
            return True
        return any(self._is_due(*each) for each in self._collectors.items())

    @property
    def tasks(self) -> set["asyncio.Task[Any]"]:
        return set() if self._tasks is None else set(self._tasks.all)

    def seconds_to_wait(self) -> float | None:
        """Until step() has something to do although nothing has happened; None: never."""
        now = clock()
        waits = [
            collector.seconds_to_wait(now)
            for name, collector in self._collectors.items()
            if self._can_run(self._methods[name])
        ]
        waits += [link.running.seconds_to_wait(now) for link in self.links]
        return min((wait for wait in waits if wait is not None), default=None)

    # --- what a broker says ----------------------------------------------------------------------------

    def begin_session(self, link: "Link") -> None:
        link.outbox.epoch = link.epoch
        link.running.show_again()

    def end_session(self, link: "Link") -> None:
        """Nobody there waits any longer: what has not begun is dropped, what runs is stopped, its outcome dropped."""
        link.outbox.flush()
        link.outbox.epoch = 0
        self._waiting = deque(call for call in self._waiting if call.link is not link)
        link.unwanted.clear()
        link.held.clear()
        for call in link.running:
            self._stop(call, Stop.CANCELLED)
        link.running.show_again()

    def take(
        self,
        link: "Link",
        message: Message,
        received_ns: int,
        sent_ns: int,
        frames: list[attached.Frame],
    ) -> None:
        """A decoded REQUEST; arguments as of Executor.run(), which gets it if no more is needed. Raises as that."""
        if not self._waiting and not self._running and self._suits_executor(link, message):
            link.executor.run(message, received_ns, sent_ns, frames)
            return
        items = iter(message[REQUEST_HEAD:])
        for id_, attempt, flags, timeout_us, name, args, kwargs, ext in zip(
            *[items] * REQUEST_ITEM
        ):
            method = self._methods.get(name) if type(name) is str else None
            count = attachments_of(ext)
            taken, frames = frames[:count], frames[count:]
            call = Call(
                link,
                id_,
                attempt,
                flags,
                sent_ns + 1000 * timeout_us,
                str(name),
                method or _UNKNOWN,
                args,
                kwargs,
                ext,
                taken,
            )
            if method is None:
                failure = explain.call_failed(
                    KeyError(), name, args, kwargs, self._handlers, self._hide_tracebacks
                )
                link.outbox.reply(call, *failure, clock())
                continue
            if method.kind.streams:
                call.window = window_of(ext)
            link.held[id_] = call
            self._waiting.append(call)
            if id_ in link.unwanted:
                self._stop(call, Stop.CANCELLED)
        self._begin()

    def _suits_executor(self, link: "Link", message: Message) -> bool:
        """Whether all of its items are plain calls with one hard limit, which the board shows from here on."""
        names = message[REQUEST_HEAD + 4 :: REQUEST_ITEM]
        try:
            if not self._special.isdisjoint(names):
                return False
            limits = {self._limits.get(name, 0) for name in names} if self._limits else {0}
        except TypeError:  # a name that is none
            return False
        if len(limits) > 1:
            return False
        link.session[HARD_MS] = limits.pop()
        link.session[DUE_ID] = 0
        return True

    def cancel(self, link: "Link", ids: list[int]) -> None:
        """These results are not wanted any more."""
        for id_ in ids:
            call = link.held.get(id_)
            if call is not None and call.stop is None:
                self._stop(call, Stop.CANCELLED)

    def widen(self, link: "Link", id_: int, window: int) -> None:
        """The reader of a stream takes this many items in all."""
        call = link.held.get(id_)
        if call is None or window <= call.window or not call.method.kind.streams:
            return
        call.window = window
        self._streams.widen(call)
        if self._tasks is not None:
            self._tasks.widen(call)

    # --- turns -----------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Does all that can be done without waiting, once, and sends it; returns whether there was anything."""
        before = self._steps
        self._steps += self._streams.busy
        self._threads.collect()
        for link in self.links:
            for call, why in link.running.overdue(clock()):
                self._stop(call, why)
        self._begin()
        self._streams.step()
        for name, collector in self._collectors.items():
            if self._is_due(name, collector):
                self._run_batch(self._methods[name], collector)
        for link in self.links:
            link.outbox.flush()
        return self._steps != before

    def _is_due(self, name: str, collector: Collector) -> bool:
        """Whether a batch is to be run now."""
        here = len(self._waiting) + self._running
        more_may_come = not self.last_has_come and here < self._concurrency
        return collector.ready(clock(), more_may_come) and self._can_run(self._methods[name])

    def _can_run(self, method: Method) -> bool:
        return method.kind is not Kind.THREAD or self._threads.is_free(method)

    def _can_begin(self, call: Call) -> bool:
        method = call.method
        return self._running < self._concurrency and (
            method.batch is not None or self._can_run(method)
        )

    def _begin(self) -> None:
        turn_ends = clock() + _TURN_NS
        while self._waiting and self._can_begin(self._waiting[0]):
            self._start(self._waiting.popleft())
            if clock() > turn_ends:
                break

    def _start(self, call: Call) -> None:
        self._steps += 1
        now = clock()
        method = call.method
        if now > call.deadline_ns:
            self._finish(call, *explain.expired((now - call.deadline_ns) // 1000))
            return
        if method.kind.streams and not call.flags & wire.FLAG_STREAM:
            failure = explain.bad_request(
                f"{call.name} streams its result: call it as a stream (flag `stream`)"
            )
            self._finish(call, *failure)
            return
        call.link.running.add(call)
        if method.batch is not None:
            self._collectors[call.name].add(call, now)
            return
        inbox = call.link.inbox if method.kind is Kind.PLAIN else None
        args = call.begin(self._service, None if inbox is None else inbox.listen)
        call.link.running.resume(call, now)
        if method.kind is Kind.PLAIN:
            self._run_plain(call, args)
        elif method.kind is Kind.THREAD:
            self._threads.start(
                method,
                lambda: self._call_in_thread(call, args),
                lambda outcome: self._finish(call, *outcome),
            )
        else:
            running = call.link.running
            running.stop_at(call, call.deadline_ns, Stop.DEADLINE)
            if method.hard_ms and method.kind is Kind.ASYNC:
                running.stop_at(call, now + method.hard_ms * 1_000_000, Stop.HARD_LIMIT)
            self._start_long(call, args)

    def _run_plain(self, call: Call, args: tuple[Any, ...]) -> None:
        attached.set_running(call.frames, call.id)
        status = wire.OK
        try:
            value = call.method.function(*args, **(call.kwargs or {}))
        except BaseException as error:  # SystemExit, too, is an answer and not an exit
            status, value = self._failed(error, call)
        attached.set_running([])
        if call.context is not None:
            call.context.listen = None
        self._finish(call, status, value)

    def _call_in_thread(self, call: Call, args: tuple[Any, ...]) -> tuple[int, Any]:
        attached.set_own(call.frames, call.id)
        try:
            return wire.OK, call.method.function(*args, **(call.kwargs or {}))
        except BaseException as error:
            return self._failed(error, call)

    def _start_long(self, call: Call, args: tuple[Any, ...]) -> None:
        if self._tasks is not None and call.method.kind.needs_event_loop:
            self._tasks.start(call, args)
        else:
            self._streams.start(call, args)

    # --- ends ------------------------------------------------------------------------------------------

    def _failed(self, error: BaseException, call: Call) -> Failure:
        return explain.call_failed(
            error, call.name, call.args, call.kwargs, self._handlers, self._hide_tracebacks
        )

    def _finish(self, call: Call, status: int, value: Any) -> None:
        """The one place where a call ends. What it was stopped for is its outcome, whatever it says itself."""
        self._steps += 1
        now = clock()
        link = call.link
        if link.held.get(call.id) is call:
            del link.held[call.id]
            if call.stop is not None:
                status, value = explain.stopped(call.stop, call.name)
            link.outbox.reply(call, status, value, now)
        link.running.end(call)

    def _stop(self, call: Call, why: Stop) -> None:
        """Ends a call early: now, if nothing runs for it; else as soon as its handler has heard."""
        if call.stop is not None:
            return
        self._steps += 1
        call.stop = why
        if call.context is not None:
            call.context.stop()
        if call in self._waiting:
            self._waiting.remove(call)
            call.stop = None
            self._finish(call, *explain.withdrawn(call.name))
            return
        kind = call.method.kind
        if call.method.batch is not None:
            if self._collectors[call.name].remove(call):
                call.stop = None
                self._finish(call, *explain.withdrawn(call.name))
        elif kind is Kind.GENERATOR:
            self._streams.stop(call, explain.stopped(why, call.name))
        elif self._tasks is not None and kind.needs_event_loop:
            self._tasks.stop(call)

    # --- batches ---------------------------------------------------------------------------------------

    def _run_batch(self, method: Method, collector: Collector) -> None:
        self._steps += 1
        calls, arguments = [], []
        began = clock()
        for call in collector.take():
            try:
                if began > call.deadline_ns:
                    self._finish(call, *explain.expired((began - call.deadline_ns) // 1000))
                    continue
                arguments.append(argument_of(call))
            except (ValueError, BadArgument) as error:
                self._finish(call, *explain.bad_request(f"{call.name}: {error}"))
            else:
                calls.append(call)
                call.link.running.resume(call, began)
        if not calls:
            return

        def done(results: Any) -> None:
            collector.ran(clock() - began)
            self._distribute(calls, results)

        if method.kind is Kind.THREAD:
            self._threads.start(method, lambda: call_batch(method, arguments), done)
        elif method.kind is Kind.ASYNC:
            assert self._tasks is not None
            self._tasks.start_work(await_batch(method, arguments), done)
        else:
            done(call_batch(method, arguments))

    def _distribute(self, calls: list[Call], results: Any) -> None:
        """Each call's own outcome. `results` is what the function returned, or Raised."""
        error = results.error if isinstance(results, Raised) else None
        outcomes: list[Any] = []
        try:
            outcomes = [] if error else outcomes_of(results, len(calls))
        except Exception as wrong:  # of the wrong length or type, or its iteration raised
            error = wrong
        for number, call in enumerate(calls):
            outcome = error or outcomes[number]
            if isinstance(outcome, BaseException):
                own = isinstance(results, Raised)
                failure = explain.app_error(outcome, call.name, self._hide_tracebacks, own)
                self._finish(call, *failure)
            else:
                self._finish(call, wire.OK, outcome)
