"""Why a call did not give a result."""

from typing import Any

# By status, as PROTOCOL.md section 1 has them.
WORDS = (
    "ok",
    "app_error",
    "bad_request",
    "no_service",
    "unavailable",
    "overloaded",
    "deadline_exceeded",
    "worker_lost",
    "cancelled",
    "too_large",
    "unauthorized",
    "protocol_error",
    "broker_lost",
    "internal",
    "schema_mismatch",
)
_NOTHING_RAN = {"unavailable", "overloaded"}
_MAY_HAVE_RUN = {"worker_lost", "broker_lost"}


class Error(Exception):
    """A call that failed. str() reads "worker_lost: the worker was killed by signal 9 (ipgeo.country at tcp://...)".

    `code` is one of WORDS. `where` is "client", "queued", "running", "worker" or "broker": where the call was when it
    ended. `endpoint` is that of the broker that held it, else all of the client's. What does not apply is "" or None:
    app_error: `type` and `traceback` of the exception in the worker. overloaded: `retry_after`, seconds to wait.
    worker_lost: `pid`, `signal`, `exit_code`, `stderr` (its last lines), `stack` (where its Python code was).
    """

    def __init__(
        self, code: str, value: dict[Any, Any], method: str, endpoint: str, idempotent: bool = False
    ) -> None:
        self.code = code
        self.message = _text(value, "message")
        self.where = _text(value, "where")
        self.type = _text(value, "type")
        self.traceback = _text(value, "traceback")
        self.stderr = _text(value, "stderr")
        self.stack = _text(value, "stack")
        self.pid = _number(value, "pid")
        self.signal = _number(value, "signal")
        self.exit_code = _number(value, "exit_code")
        wait_us = _number(value, "retry_after_us")
        self.retry_after = None if wait_us is None else wait_us / 1e6
        self.method = method
        self.endpoint = endpoint
        self._idempotent = idempotent
        at = "" if endpoint.split(",")[0] in self.message else f" at {endpoint}"
        super().__init__(f"{code}: {self.message} ({method}{at})")

    @property
    def retryable(self) -> bool:
        """Whether the same call may be made again: nothing ran, or it was said to be idempotent. For `overloaded` after `retry_after`."""
        return self.code in _NOTHING_RAN or (self.code in _MAY_HAVE_RUN and self._idempotent)


def word_of(status: int) -> str:
    """Of a status that is not known: internal."""
    return WORDS[status] if status < len(WORDS) else "internal"


def _text(value: dict[Any, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _number(value: dict[Any, Any], key: str) -> int | None:
    found = value.get(key)
    return found if type(found) is int and found >= 0 else None
