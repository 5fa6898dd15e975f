"""Functions in threads: for code that releases the GIL."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from samovar.method import Method

Work = Callable[[], Any]


class Threads:
    """Runs functions in threads. Only the work itself is done there; all else in the loop's thread.

    `wake` makes the loop call collect(); it is called in the threads.
    """

    def __init__(self, methods: list[Method], wake: Callable[[], None]) -> None:
        self._wake = wake
        self._free = {method.name: method.threads for method in methods}
        self._done: deque[tuple[Method, Callable[[Any], None], Any]] = deque()
        total = sum(self._free.values())
        self._pool = ThreadPoolExecutor(total, "samovar-handler") if total else None

    def is_free(self, method: Method) -> bool:
        """Whether one more call of this method may begin."""
        return self._free[method.name] > 0

    def start(self, method: Method, work: Work, done: Callable[[Any], None]) -> None:
        """Runs work(), which must not raise, in a thread; collect() gives its result to done()."""
        assert self._pool is not None
        self._free[method.name] -= 1

        def run() -> None:
            self._done.append((method, done, work()))
            self._wake()

        self._pool.submit(run)

    def collect(self) -> None:
        """Hands out the results that are there."""
        while self._done:
            method, done, result = self._done.popleft()
            self._free[method.name] += 1
            done(result)
