"""Calls from Python: samovar.Client for threads, samovar.aio.Client for asyncio.

    with samovar.Client() as client:
        print(client.ipgeo.country("1.0.1.0"))
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar

import zmq

from samovar.calls import Call, Options, Reply, new_call
from samovar.channel import Channel
from samovar.keys import read_keys

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7711"

C = TypeVar("C")


class Service(Generic[C]):
    """`client.ipgeo`: its attributes are its methods. Names that clash: client.call("ipgeo.call", ...)."""

    def __init__(self, caller: "Caller[C]", name: str) -> None:
        self._caller = caller
        self._name = name

    def __getattr__(self, name: str) -> "Service[C]":
        if name.startswith("__"):
            raise AttributeError(name)
        return Service(self._caller, f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> C:
        return self._caller.call(self._name, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<samovar {self._name}>"


class Caller(Generic[C]):
    """What both clients offer, and what options() gives: the same connection, other options."""

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> C:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Service[C]:
        if name.startswith("_"):
            raise AttributeError(name)
        return Service(self, name)


class Client(Caller[Any]):
    """Calls methods of services, from any number of threads.

    Args:
        endpoint: the broker's frontend; default $SAMOVAR_ENDPOINT, else tcp://127.0.0.1:7711.
        timeout: seconds for each call; None: what its method says, else what the broker says (30 s).
        name: of this client, for people.
        key_file, broker_key_file: as made by `samovar keygen`, where the broker wants keys.
    Raises zmq.ZMQError for an endpoint that is none, keys.BadKey for key files that are none. That no broker is there is said
    by the calls: they wait for one until their time is up.

    Thread-safe. Of the threads that wait for results one serves the socket for all; a lone caller pays for no other thread.
    After a fork the child needs a client of its own.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        timeout: float | None = None,
        name: str = "",
        key_file: str | None = None,
        broker_key_file: str | None = None,
    ) -> None:
        self._options = Options(timeout=timeout)
        self._shared = _Shared(
            endpoint_or_default(endpoint), name, key_files(key_file, broker_key_file)
        )

    def options(
        self,
        *,
        timeout: float | None = None,
        idempotent: bool | None = None,
        priority: int | None = None,
        metadata: bool | None = None,
        window: int | None = None,
    ) -> "Client":
        """The same client with other options, for `client.options(timeout=0.5).ipgeo.country(...)`. Cheap; keep it or not."""
        other = object.__new__(Client)
        other._shared = self._shared
        other._options = changed(self._options, timeout, idempotent, priority, metadata, window)
        return other

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """The result. Raises samovar.Error when there is none. Ctrl-C and other exceptions cancel the call."""
        return self.request(method, args, kwargs).value

    def request(
        self, method: str, args: Any = (), kwargs: Any = None, attachments: Any = ()
    ) -> Reply:
        """Like call(), with buffers beside the arguments, and with what came beside the result."""
        shared = self._shared
        call = new_call(shared.endpoint, method, args, kwargs or {}, self._options, attachments)
        shared.submit(call)
        return Pending(shared, call).reply()

    def begin(
        self, method: str, args: Any = (), kwargs: Any = None, attachments: Any = ()
    ) -> "Pending":
        """Sends the call and does not wait: many may be under way. From the first one on a thread serves the socket while nobody else does."""
        shared = self._shared
        call = new_call(shared.endpoint, method, args, kwargs or {}, self._options, attachments)
        shared.submit(call)
        shared.stand_in()
        return Pending(shared, call)

    def stream(self, method: str, /, *args: Any, **kwargs: Any) -> "Stream":
        """The items of a method that streams, as they come. Closing it, or leaving its `with`, cancels the handler."""
        shared = self._shared
        call = new_call(shared.endpoint, method, args, kwargs, self._options, is_stream=True)
        shared.submit(call)
        return Stream(shared, call)

    def close(self) -> None:
        """Ends all calls as cancelled. May be called twice."""
        self._shared.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Pending:
    """A call under way."""

    def __init__(self, shared: "_Shared", call: Call) -> None:
        self._shared = shared
        self._call = call

    def done(self) -> bool:
        """Whether it has ended."""
        return self._call.done

    def result(self) -> Any:
        """Waits. Raises samovar.Error."""
        return self.reply().value

    def reply(self) -> Reply:
        """Waits. Raises samovar.Error."""
        self._shared.wait(self._call, lambda: self._call.done)
        return self._call.result()

    def cancel(self) -> None:
        """Ends it as `cancelled`, unless it has ended."""
        self._shared.cancel(self._call)


class Stream(Iterator[Any]):
    """The items of a call; the error that ended it, if one did, is raised behind the last of them."""

    def __init__(self, shared: "_Shared", call: Call) -> None:
        self._shared = shared
        self._call = call
        self._taken = 0

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Any:
        call = self._call
        self._shared.wait(call, lambda: call.items or call.done)
        if not call.items:
            call.result()
            raise StopIteration
        self._taken += 1
        item = call.items.popleft()
        self._shared.taken(call, self._taken)
        return item

    def close(self) -> None:
        """Cancels what still runs; items that came and were not taken are dropped."""
        self._shared.cancel(self._call)
        self._call.items.clear()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Shared:
    """The channel and the threads that use it: whoever waits and finds nobody serving the socket does so."""

    def __init__(self, endpoint: str, name: str, files: tuple[str, str] | None) -> None:
        self.endpoint = endpoint
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._channel = Channel(self._context, endpoint, name, read_keys(files))
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._changed = threading.Condition()
        self._is_served = False
        self._closed = False
        self._stand_in: threading.Thread | None = None
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def submit(self, call: Call) -> None:
        with self._changed:
            self._check_open()
            self._channel.calls.submit(call, time.monotonic())
            self._serve_or_wake()

    def cancel(self, call: Call) -> None:
        with self._changed:
            if not self._closed:
                self._channel.calls.cancel(call)
                self._serve_or_wake()

    def taken(self, call: Call, count: int) -> None:
        with self._changed:
            if not self._closed:
                self._channel.calls.taken(call, count)
                self._serve_or_wake()

    def stand_in(self) -> None:
        """From now on a thread serves the socket while calls are outstanding and nobody else does."""
        with self._changed:
            if self._stand_in is None and not self._closed:
                self._stand_in = threading.Thread(target=self._serve_others, daemon=True)
                self._stand_in.start()

    def _serve_others(self) -> None:
        calls = self._channel.calls
        with self._changed:
            while not self._closed:
                if self._is_served or not calls.outstanding:
                    self._changed.wait()
                else:
                    self._serve(lambda: not calls.outstanding)

    def wait(self, call: Call, ready: Any) -> None:
        try:
            with self._changed:
                while not ready():
                    self._check_open()
                    if self._is_served:
                        self._changed.wait()
                    else:
                        self._serve(ready)
        except BaseException:
            self.cancel(call)
            raise

    def close(self) -> None:
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._wake()
            while self._is_served:
                self._changed.wait()
            self._channel.close()
            self._changed.notify_all()
        if self._stand_in is not None:
            self._stand_in.join()
        self._context.term()
        os.close(self._woken)
        os.close(self._waker)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def _serve_or_wake(self) -> None:
        """What is to be sent leaves now, or by the thread that serves the socket."""
        if self._is_served:
            self._wake()
        else:
            self._turn()

    def _wake(self) -> None:
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass  # it has been woken often enough

    def _turn(self) -> None:
        self._channel.turn()
        self._channel.calls.news.clear()
        self._changed.notify_all()

    def _serve(self, ready: Any) -> None:
        """Holding the lock, but for the time of waiting."""
        channel = self._channel
        self._is_served = True
        try:
            self._turn()
            while not ready() and not self._closed:
                wait = channel.seconds_to_wait()
                self._changed.release()
                try:
                    self._poll(wait)
                finally:
                    self._changed.acquire()
                self._turn()
        finally:
            self._is_served = False
            self._changed.notify_all()

    def _poll(self, seconds: float | None) -> None:
        channel = self._channel
        ms = -1 if seconds is None else int(seconds * 1000) + 1
        sources: list[Any] = [channel.socket, channel.monitor, self._woken]
        found: list[Any] = zmq.zmq_poll([(source, zmq.POLLIN) for source in sources], ms)
        if (self._woken, zmq.POLLIN) in found:
            os.read(self._woken, 4096)


def endpoint_or_default(endpoint: str | None) -> str:
    return endpoint or os.environ.get("SAMOVAR_ENDPOINT") or DEFAULT_ENDPOINT


def key_files(key_file: str | None, broker_key_file: str | None) -> tuple[str, str] | None:
    """Both or none. Raises ValueError."""
    if key_file is None and broker_key_file is None:
        return None
    if key_file is None or broker_key_file is None:
        raise ValueError(
            "key_file and broker_key_file belong together: one's own key, and the broker's"
        )
    return key_file, broker_key_file


def changed(options: Options, *changes: Any) -> Options:
    """In the order of timeout, idempotent, priority, metadata, window; None: as it was."""
    names = ("timeout", "idempotent", "priority", "metadata", "window")
    return replace(options, **{k: v for k, v in zip(names, changes) if v is not None})
