"""The same work as a service of Samovar."""

import time
from typing import Any

from table import TABLE

from samovar import Service, WithAttachments, attachments

service = Service("bench")


@service.method(idempotent=True)
def lookup(ip: str) -> dict[str, Any]:
    return TABLE[ip]


@service.method(idempotent=True)
def echo(body: bytes) -> bytes:
    return body


@service.method(idempotent=True)
def echo_attached() -> WithAttachments:
    return WithAttachments(None, attachments())


@service.method(idempotent=True)
def uneven(us: int) -> None:
    """Busy for so long; from a millisecond on, asleep."""
    if us >= 1000:
        time.sleep(us / 1e6)
        return
    end = time.perf_counter_ns() + us * 1000
    while time.perf_counter_ns() < end:
        pass
