"""A worker's own health check, by the app's hook."""

import time
from collections.abc import Callable

from samovar.board import CHECKING_NS, Slot
from samovar.hooks import HookFailed
from samovar.service import Service


class HealthCheck:
    """Runs the hook every `interval` seconds while nothing else runs, in the thread of tick()'s caller.

    While it runs the board says that something does, so that the supervisor's hard limit holds for it, too.
    `now` is monotonic seconds.
    """

    def __init__(
        self, service: Service, interval: float, board: Slot, on_unhealthy: Callable[[str], None]
    ) -> None:
        self._hooks = service.hooks
        self._interval = interval
        self._words = board.words
        self._on_unhealthy = on_unhealthy
        self._due = time.monotonic() + interval if "health_check" in service.hooks else float("inf")

    def seconds_to_wait(self, now: float) -> float:
        return max(0.0, self._due - now)

    def tick(self, now: float) -> None:
        """Checks when that is due. Says once that the worker is unhealthy, and checks no more."""
        if now < self._due:
            return
        self._words[CHECKING_NS] = time.monotonic_ns()
        try:
            why = (
                "health_check returned False" if self._hooks.run("health_check") is False else None
            )
        except HookFailed as error:
            why = str(error)
        self._words[CHECKING_NS] = 0
        if why is None:
            self._due = time.monotonic() + self._interval
        else:
            self._due = float("inf")
            self._on_unhealthy(why)
