"""A service with a method that hangs."""

import time

from samovar import Service

service = Service("hanging")


@service.method
def work(number: int) -> int:
    return number + 1


@service.method
def hang(_number: int) -> None:
    """The number makes each request another one, which is not refused after three deaths."""
    while True:
        time.sleep(3600)
