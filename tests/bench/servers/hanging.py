"""A service with a method that hangs."""

import time

from samovar import Service

service = Service("hanging")


@service.method
def work(number: int) -> int:
    return number + 1


@service.method
def hang() -> None:
    while True:
        time.sleep(3600)
