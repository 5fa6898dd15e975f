"""Calls from Python: samovar.Client for threads, samovar.aio.Client for asyncio.

    with samovar.Client() as client:
        print(client.ipgeo.country("1.0.1.0"))
"""

from collections.abc import Iterator, Sequence
from typing import Any

from samovar.caller import Caller, brokers, checked_age, key_files
from samovar.outgoing import Call, Options, Reply, new_call
from samovar.serving import SharedChannels


class Client(Caller[Any]):
    """Calls methods of services, from any number of threads.

    Args:
        endpoint: the broker's frontend, tcp://HOST:PORT or ipc://PATH; or dns+tcp://NAME:PORT, for all addresses that NAME has,
            looked up again every 30 s and when a broker is gone. There may be several, with commas or in a sequence. Default
            $SAMOVAR_ENDPOINT, else tcp://127.0.0.1:7711.
        timeout: seconds for each call; None: what its method says, else what the broker says (30 s).
        name: of this client, for people.
        key_file, broker_key_file: as made by `samovar keygen`, where the broker wants keys.
        max_connection_age: seconds. Connections that are older are made anew, one by one and without a call noticing, at about
            this age: for an address that stands for many brokers (a load balancer's), behind which later ones would get
            nothing. None: never.
    Raises ValueError for an endpoint that is none, keys.BadKey for key files that are none. That no broker is there is said
    by the calls: they wait for one until their time is up.

    Of several brokers a call goes to the better one of two that are chosen by chance: the one that holds fewer calls of this
    client, unless its replies take twice as long. What a broker refuses as `unavailable` goes to another one, and what it
    refuses as `overloaded`, too, within a tenth of the calls. A broker that fails is left alone for a while. Idempotent calls
    that a lost one held go to another.

    Thread-safe. Of the threads that wait for results one serves the sockets for all; a lone caller pays for no other thread.
    After a fork the child needs a client of its own.
    """

    def __init__(
        self,
        endpoint: str | Sequence[str] | None = None,
        *,
        timeout: float | None = None,
        name: str = "",
        key_file: str | None = None,
        broker_key_file: str | None = None,
        max_connection_age: float | None = None,
    ) -> None:
        self._options = Options(timeout=timeout)
        self._shared = SharedChannels(
            brokers(endpoint),
            name,
            key_files(key_file, broker_key_file),
            checked_age(max_connection_age),
        )

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
        """Sends the call and does not wait: many may be under way. From the first one on a thread serves the sockets while nobody else does."""
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

    def __init__(self, shared: SharedChannels, call: Call) -> None:
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

    def __init__(self, shared: SharedChannels, call: Call) -> None:
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
