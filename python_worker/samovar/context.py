"""What a handler may know about the request that it runs, if its first parameter asks for it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger("samovar")

_CANCEL_ID = 4  # board.CANCEL_ID, of a session; an app does not load the board
_PROGRESS_INTERVAL_S = 1.0
_LISTEN_INTERVAL_S = 0.001


class Context:
    """The first argument of a handler whose first parameter is annotated `samovar.Context`; never sent by callers.

    Made for one request; usable until its handler has ended. All members may be used from the handler's thread
    and from the event loop's.
    """

    __slots__ = (
        "request_id",
        "attempt",
        "method",
        "deadline",
        "caller",
        "traceparent",
        "_stopped",
        "_board",
        "_service",
        "_progress_at",
        "listen",
        "_listen_at",
        "_thread",
    )

    def __init__(
        self,
        request_id: int,
        attempt: int,
        method: str,
        deadline: float,
        ext: dict[str, Any] | None,
        board: Any,
        service: Any,
        listen: Callable[[], None] | None = None,
    ) -> None:
        """For the worker, and for tests of handlers: `board` is an indexable of at least five numbers."""
        self.request_id = (
            request_id  # as the broker numbers it: in its log, and in the supervisor's
        )
        self.attempt = attempt  # 1 for the first try, 2 for the one after a worker was lost
        self.method = method  # "service.method", as it was called
        self.deadline = deadline  # time.monotonic() when nobody waits any longer
        self.caller = _text(ext, "caller")  # its name, or None
        self.traceparent = _text(ext, "traceparent")  # W3C trace context, or None
        self._stopped = False
        self._board = board
        self._service = service
        self._progress_at = 0.0
        # What a plain function hears the broker with, as nobody else does meanwhile; None once it has ended.
        self.listen = listen
        self._listen_at = 0.0
        self._thread = threading.get_ident()

    @property
    def state(self) -> Any:
        """What the service's load hook returned."""
        return self._service.state

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more: look at it in loops, and return or raise.

        True once the deadline has passed, the caller has cancelled or is gone, or the request has run into
        its hard limit (its process is killed 50 ms later). A plain function hears of a caller's cancel in the thread
        that runs it, up to 1 ms late, and all others at once. Costs less than 1 us.
        """
        now = time.monotonic()
        if self.listen is not None and now >= self._listen_at:
            self._listen_at = now + _LISTEN_INTERVAL_S
            if threading.get_ident() == self._thread:
                self.listen()
        return self._stopped or now >= self.deadline or self._board[_CANCEL_ID] == self.request_id

    def time_left(self) -> float:
        """Seconds until the deadline; 0.0 when it has passed. Give it to whatever this handler waits for."""
        return max(0.0, self.deadline - time.monotonic())

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Says in the worker's log how far this request is: "build.index request 17: 3 of 10, reading".

        At most one line a second for each request: call it as often as you like. Callers do not see it;
        what they shall see is an item of a stream.
        """
        now = time.monotonic()
        if now >= self._progress_at:
            self._progress_at = now + _PROGRESS_INTERVAL_S
            of = "" if total is None else f" of {total:g}"
            behind = f", {text}" if text else ""
            log.info("%s request %d: %g%s%s", self.method, self.request_id, done, of, behind)

    def stop(self) -> None:
        """For the worker: from now on it is cancelled."""
        self._stopped = True


def _text(ext: dict[str, Any] | None, key: str) -> str | None:
    value = ext.get(key) if ext else None
    return value if type(value) is str else None
