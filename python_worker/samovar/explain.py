"""Words for callers: the error maps that go into replies when a call has failed in the worker."""

import datetime
import decimal
import enum
import inspect
import traceback
import types
import uuid
from typing import Any

from samovar import exposed, typed, wire
from samovar.arrays import travels
from samovar.attached import WithAttachments
from samovar.bundles import BadItem
from samovar.conversion import BadArgument
from samovar.plain import is_struct, plain
from samovar.structure import MAX_DEPTH, SCALARS
from samovar.method import Handler

Failure = tuple[int, dict[str, Any]]  # status, error map


class Stop(enum.Enum):
    """Why a running call is to end early."""

    CANCELLED = enum.auto()
    DEADLINE = enum.auto()
    HARD_LIMIT = enum.auto()


_TYPES_THAT_TRAVEL = "None, bool, int, float, str, bytes, list, dict, datetime, dataclasses"


def app_error(
    error: BaseException, method: str, hide_traceback: bool, ours: bool = True
) -> Failure:
    """What a handler raised. Its traceback starts at the handler: a frame of the worker (`ours`) is left out."""
    kind = type(error)
    name = (
        kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        text = str(error)
    except Exception as second:  # a broken __str__ must not look like the handler's own error
        text = f"(its text cannot be had: str() raised {type(second).__name__})"
    message = f"{method} raised {name}: {text}" if text else f"{method} raised {name}"
    content = {"message": clean(message), "type": name, "where": "running"}
    if not hide_traceback:
        content["traceback"] = clean(_traceback_of(error, ours))
    return wire.APP_ERROR, content


def _traceback_of(error: BaseException, ours: bool) -> str:
    try:
        trace = _from_handler(error) if ours else error.__traceback__
        return "".join(traceback.format_exception(error.with_traceback(trace)))
    except Exception as second:
        return f"(the traceback cannot be had: {type(second).__name__})"


def _from_handler(error: BaseException) -> types.TracebackType | None:
    """Its traceback from the handler's own frame on; None if that was never entered (or is C code)."""
    trace = error.__traceback__ and error.__traceback__.tb_next
    while trace is not None and _is_wrapper(trace.tb_frame.f_code):
        trace = trace.tb_next
    return trace


def _is_wrapper(code: types.CodeType) -> bool:
    return exposed.is_wrapper(code) or typed.is_wrapper(code)


def clean(text: str) -> str:
    """`text` as it can be sent: no lone surrogates, and the middle left out where it is too long."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    half = wire.MAX_ERROR_TEXT // 8  # characters; each has at most 4 bytes
    if len(text) > 2 * half:
        text = (
            f"{text[:half]}\n... ({len(text) - 2 * half} characters left out) ...\n{text[-half:]}"
        )
    return text


def bad_request(message: str) -> Failure:
    return wire.BAD_REQUEST, {"message": clean(message), "where": "worker"}


def call_failed(
    error: BaseException,
    method: Any,
    args: Any,
    kwargs: Any,
    handlers: dict[str, Handler],
    hide_traceback: bool,
) -> Failure:
    """Why handlers[method](*args, **kwargs) has raised `error`: the request's fault, or the handler's.

    Does not raise, whatever the code of the exception's or an argument's type does.
    """
    try:
        return _call_failed(error, method, args, kwargs, handlers, hide_traceback)
    except Exception as second:
        message = (
            f"a handler raised {type(error).__name__}; saying more raised {type(second).__name__}"
        )
        return wire.APP_ERROR, {
            "message": message,
            "type": type(error).__name__,
            "where": "running",
        }


def _call_failed(
    error: BaseException,
    method: Any,
    args: Any,
    kwargs: Any,
    handlers: dict[str, Handler],
    hide_traceback: bool,
) -> Failure:
    if isinstance(method, BadItem):
        return bad_request(method.reason)
    handler = handlers.get(method) if isinstance(method, str) else None
    if handler is None:
        return _unknown_method(method, handlers)
    wrong = wrong_arguments(error, handler, args, kwargs)
    if wrong is not None:
        return bad_request(f"{method}: {wrong}")
    return app_error(error, method, hide_traceback)


def _unknown_method(method: Any, handlers: dict[str, Handler]) -> Failure:
    service = next(iter(handlers)).rpartition(".")[0]
    names = sorted(name.rpartition(".")[2] for name in handlers)
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if not isinstance(method, str):
        return bad_request(f"{method!r} is not the name of a method")
    return bad_request(
        f"service {service!r} has no method {method.rpartition('.')[2]!r}; it has: {known}"
    )


def wrong_arguments(error: BaseException, handler: Handler, args: Any, kwargs: Any) -> str | None:
    """A sentence if `error` says that the arguments do not fit the handler, so that it never ran.

    A TypeError that the handler itself raised is told from that by its traceback, which has a frame
    of the handler, and by the signature, which the arguments fit.
    """
    if isinstance(error, BadArgument):
        return str(error)
    if not isinstance(error, TypeError):
        return None
    if _from_handler(error) is not None:
        return None
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some functions of C extensions do not say
        return None
    try:
        signature.bind(*args, **(kwargs or {}))
    except TypeError as misfit:
        return f"{misfit}; its parameters are {signature}"
    return None


def expired(late_us: int) -> Failure:
    """The deadline had passed before the call began."""
    message = (
        f"the deadline passed {late_us / 1000:.1f} ms before the worker could begin: nothing ran"
    )
    return wire.DEADLINE_EXCEEDED, {"message": message, "where": "queued"}


def stopped(cause: "Stop", method: str) -> Failure:
    """Why a call was ended that had begun."""
    if cause is Stop.CANCELLED:
        return wire.CANCELLED, {
            "message": f"{method} was cancelled while it ran",
            "where": "running",
        }
    if cause is Stop.DEADLINE:
        text = f"the deadline passed while {method} was running"
    else:
        text = f"{method} ran longer than its hard limit, and was ended"
    return wire.DEADLINE_EXCEEDED, {"message": text, "where": "running"}


def withdrawn(method: str) -> Failure:
    """Cancelled before it began."""
    return wire.CANCELLED, {
        "message": f"{method} was cancelled before it began: nothing ran",
        "where": "queued",
    }


def result_too_large(method: str, size: int, limit: int) -> Failure:
    return wire.TOO_LARGE, {
        "message": f"the result of {method} has {size} bytes encoded, more than the {limit} that a message "
        "may have: return less, or raise max_body of the broker",
        "where": "worker",
    }


def result_too_deep(method: str) -> Failure:
    return wire.APP_ERROR, {
        "message": f"the result of {method} is nested more than {MAX_DEPTH - 1} levels deep, "
        "or holds itself: return something flatter",
        "type": "ValueError",
        "where": "worker",
    }


def result_not_encodable(method: str, value: Any, error: Exception) -> Failure:
    """Names the first thing in `value` that cannot be encoded, where it is, and what to return instead."""
    try:
        found = find_misfit(value, "result", MAX_DEPTH)
    except Exception:  # looking at it ran code of its type
        found = None
    if found is None:
        text = f"the result of {method} cannot be encoded: {type(error).__name__}: {error}"
    else:
        where, misfit, advice = found
        holds = "is" if where == "result" else "holds"
        place = "" if where == "result" else f" at {where}"
        text = (
            f"the result of {method} {holds} {misfit}{place}, which msgpack cannot encode; {advice}"
        )
    name = type(error).__name__
    return wire.APP_ERROR, {"message": clean(text), "type": name, "where": "worker"}


def find_misfit(value: Any, path: str, levels: int) -> tuple[str, str, str] | None:
    """The first part of `value` that cannot be encoded: its path, what it is, what to do. None if all can."""
    kind = type(value)
    if kind is int:
        if -(2**63) <= value < 2**64:
            return None
        return path, "an integer beyond 64 bits", "return it as str"
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return (
                path,
                "a str with lone surrogates",
                "return bytes, or decode it with errors='replace'",
            )
        return None
    if kind in SCALARS or kind in (bytearray, memoryview):
        return None
    if levels == 0:
        return path, "a value nested too deeply", "return something flatter"
    if isinstance(value, dict):
        for key, inside in value.items():
            for part, place in (
                (key, f"a key of {path}"),
                (inside, f"{path}[{_short(key)}]"),
            ):
                found = find_misfit(part, place, levels - 1)
                if found is not None:
                    return found
        return None
    if is_struct(kind):
        for name, inside in plain(value).items():
            found = find_misfit(inside, f"{path}.{name}", levels - 1)
            if found is not None:
                return found
        return None
    if isinstance(value, enum.Enum):
        return find_misfit(value.value, f"{path}.value", levels - 1)
    if isinstance(value, (list, tuple)):
        for index, inside in enumerate(value):
            found = find_misfit(inside, f"{path}[{index}]", levels - 1)
            if found is not None:
                return found
        return None
    return _misfit(value, path)


def _misfit(value: Any, path: str) -> tuple[str, str, str] | None:
    if isinstance(value, datetime.datetime) and value.tzinfo is not None or travels(value):
        return None
    name = type(value).__qualname__
    article = "an" if name[:1].lower() in "aeio" else "a"
    advice = {
        datetime.datetime: "give it a time zone, as in datetime.now(timezone.utc)",
        datetime.date: "return .isoformat()",
        datetime.time: "return .isoformat()",
        datetime.timedelta: "return .total_seconds()",
        decimal.Decimal: "return str or float",
        uuid.UUID: "return str",
        complex: "return [real, imag]",
        set: "return a list",
        frozenset: "return a list",
        range: "return a list",
        WithAttachments: "return it as the whole result, not inside another value",
    }.get(type(value))
    if isinstance(value, datetime.datetime):
        return path, "a datetime without a time zone", advice or "give it a time zone"
    if advice is None:
        if hasattr(value, "dtype"):
            advice = f"arrays of numbers travel, of dtype {value.dtype} not: return .tolist() of it"
        elif hasattr(value, "tolist"):
            advice = "return .tolist() of it"
        elif hasattr(value, "__next__"):
            advice = "return a list of what it yields"
        elif isinstance(value, (int, str)):
            return None  # a subclass that msgpack encodes as its base
        else:
            advice = f"return only {_TYPES_THAT_TRAVEL}"
    return path, f"{article} {name}", advice


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 60 else text[:57] + "..."
