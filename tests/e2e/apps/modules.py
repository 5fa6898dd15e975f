"""Tells what its worker has imported since it was forked."""

import sys

from samovar import Service

service = Service("modules")
at_start: set[str] = set()


@service.on_worker_start
def remember() -> None:
    at_start.update(sys.modules)


@service.method
def imported() -> list[str]:
    return sorted(set(sys.modules) - at_start)
