"""A service whose method takes a millisecond, and no core."""

import time

from samovar import Service

service = Service("overload")


@service.method
def work(number: int) -> int:
    time.sleep(0.001)
    return number + 1
