"""The core alone."""

from collections.abc import Callable
from typing import Any


def measure(attempt: Callable[[str, int, Callable[[], dict[str, Any]]], None], quick: bool) -> None:
    pass
