"""Calls that are collected for one function: when they are enough, and what becomes of each. No I/O, no clock."""

from typing import Any

from samovar.call import Call
from samovar.conversion import BadArgument
from samovar.method import Batch, Method

# A new measurement counts this much in the estimate of how long the function takes.
_WEIGHT = 0.2
# A call's remaining time is left alone but for this part of it.
_SHARE = 2


class Collector:
    """Calls of one method that wait to be run together. Times are nanoseconds; not thread-safe."""

    def __init__(self, batch: Batch) -> None:
        self.calls: list[Call] = []
        self._max_size = batch.max_size
        self._max_delay_ns = round(batch.max_delay * 1e9)
        self._expected_ns = 0.0  # of one run
        self._due_ns = 0

    def add(self, call: Call, now_ns: int) -> None:
        """Half of what its deadline leaves, beyond an expected run, may be spent in waiting."""
        spare = (call.deadline_ns - now_ns - int(self._expected_ns)) // _SHARE
        due = now_ns + min(self._max_delay_ns, max(0, spare))
        self._due_ns = min(due, self._due_ns) if self.calls else due
        self.calls.append(call)

    def remove(self, call: Call) -> bool:
        """Takes a call out that does not want to wait any longer; False if it runs already."""
        if call not in self.calls:
            return False
        self.calls.remove(call)
        return True

    def ready(self, now_ns: int, more_may_come: bool) -> bool:
        if not self.calls:
            return False
        return not more_may_come or len(self.calls) >= self._max_size or now_ns >= self._due_ns

    def seconds_to_wait(self, now_ns: int) -> float | None:
        return max(0.0, (self._due_ns - now_ns) / 1e9) if self.calls else None

    def take(self) -> list[Call]:
        """The next batch: the oldest calls."""
        taken = self.calls[: self._max_size]
        del self.calls[: self._max_size]
        return taken

    def ran(self, took_ns: int) -> None:
        """For the estimate."""
        weight = _WEIGHT if self._expected_ns else 1.0
        self._expected_ns += weight * (took_ns - self._expected_ns)


def argument_of(call: Call) -> Any:
    """What stands for this call in the function's list. Raises ValueError or BadArgument, with a sentence, if nothing can."""
    if call.kwargs:
        raise ValueError("it is run in batches, which take positional arguments only")
    if not call.args:
        raise ValueError("it is run in batches, and needs an argument")
    argument = call.args[0] if len(call.args) == 1 else tuple(call.args)
    convert = call.method.argument
    if convert is None:
        return argument
    try:
        return convert(argument)
    except BadArgument as error:
        raise error.under("its argument")


def outcomes_of(results: Any, expected: int) -> list[Any]:
    """The list that a function returned, if it has as many elements as were asked for. Raises TypeError, ValueError."""
    try:
        outcomes = list(results)
    except TypeError:
        raise TypeError(
            f"a batch must return a list with one result for each of its {expected} arguments, "
            f"but it returned {type(results).__name__}"
        ) from None
    if len(outcomes) != expected:
        raise ValueError(
            f"a batch must return one result for each of its {expected} arguments, "
            f"but it returned {len(outcomes)}"
        )
    return outcomes


class Raised:
    """What a batch raised as a whole."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def call_batch(method: Method, arguments: list[Any]) -> Any:
    try:
        return method.function(arguments)
    except BaseException as error:
        return Raised(error)


async def await_batch(method: Method, arguments: list[Any]) -> Any:
    try:
        return await method.function(arguments)
    except BaseException as error:
        return Raised(error)
