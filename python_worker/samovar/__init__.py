"""Samovar: keep heavy Python packages loaded, and let other processes call them.

An application needs four names from here, and none of them opens a socket:

    from samovar import Service

    service = Service("ipgeo")

    @service.method
    def country(ip: str) -> str | None: ...

`samovar-worker MODULE:service --connect ENDPOINT` then serves it. Who calls it from Python needs two more:

    from samovar import Client, Error  # and samovar.aio, for asyncio

    with Client() as client:
        print(client.ipgeo.country("1.0.1.0"))
"""

from typing import Any

from samovar.attached import WithAttachments, attachments
from samovar.context import Context
from samovar.service import Service

__all__ = ["Client", "Context", "Error", "Service", "WithAttachments", "attachments"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What callers need is imported when it is asked for: a worker does without."""
    if name == "Client":
        from samovar.client import Client

        return Client
    if name == "Error":
        from samovar.errors import Error

        return Error
    raise AttributeError(f"module 'samovar' has no attribute {name!r}")
