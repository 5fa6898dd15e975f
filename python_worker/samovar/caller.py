"""What the clients for threads and for asyncio have in common: how they are made, their options, methods as attributes."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from samovar import endpoints
from samovar.outgoing import Options

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7711"

C = TypeVar("C")
Own = TypeVar("Own", bound="Caller[Any]")


class Remote(Generic[C]):
    """`client.ipgeo`: its attributes are its methods. Names that clash: client.call("ipgeo.call", ...)."""

    def __init__(self, caller: "Caller[C]", name: str) -> None:
        self._caller = caller
        self._name = name

    def __getattr__(self, name: str) -> "Remote[C]":
        if name.startswith("__"):
            raise AttributeError(name)
        return Remote(self._caller, f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> C:
        return self._caller.call(self._name, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<samovar {self._name}>"


class Caller(Generic[C]):
    """What both clients offer. options() gives the same connection with other options."""

    _shared: Any
    _options: Options

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> C:
        raise NotImplementedError

    def options(
        self: Own,
        *,
        timeout: float | None = None,
        idempotent: bool | None = None,
        priority: int | None = None,
        metadata: bool | None = None,
        window: int | None = None,
        traceparent: str | None = None,
        affinity: str | None = None,
    ) -> Own:
        """The same client with other options, for `client.options(timeout=0.5).ipgeo.country(...)`. Cheap; keep it or not. None: as it was."""
        said = {
            "timeout": timeout,
            "idempotent": idempotent,
            "priority": priority,
            "metadata": metadata,
            "window": window,
            "traceparent": traceparent,
            "affinity": affinity,
        }
        other = object.__new__(type(self))
        other._shared = self._shared
        other._options = replace(
            self._options, **{name: value for name, value in said.items() if value is not None}
        )
        return other

    def __getattr__(self, name: str) -> Remote[C]:
        if name.startswith("_"):
            raise AttributeError(name)
        return Remote(self, name)


def brokers(endpoint: str | Sequence[str] | None) -> tuple[str, ...]:
    """Where they are: the pieces of a list. Raises endpoints.BadEndpoint, which is a ValueError."""
    if endpoint is None:
        endpoint = os.environ.get("SAMOVAR_ENDPOINT") or DEFAULT_ENDPOINT
    return endpoints.parse(endpoint if isinstance(endpoint, str) else ",".join(endpoint))


def checked_age(seconds: float | None) -> float | None:
    """Of max_connection_age. Raises ValueError."""
    if seconds is not None and not seconds > 0:
        raise ValueError("max_connection_age is a number of seconds above 0, or None")
    return seconds


def key_files(key_file: str | None, broker_key_file: str | None) -> tuple[str, str] | None:
    """Both or none. Raises ValueError."""
    if key_file is None and broker_key_file is None:
        return None
    if key_file is None or broker_key_file is None:
        raise ValueError(
            "key_file and broker_key_file belong together: one's own key, and the broker's"
        )
    return key_file, broker_key_file
