"""Samovar: keep heavy Python packages loaded, and let other processes call them.

An application needs four names from here, and none of them opens a socket:

    from samovar import Service

    service = Service("ipgeo")

    @service.method
    def country(ip: str) -> str | None: ...

`samovar-worker MODULE:service --connect ENDPOINT` then serves it.
"""

from samovar.attached import WithAttachments, attachments
from samovar.context import Context
from samovar.service import Service

__all__ = ["Context", "Service", "WithAttachments", "attachments"]
__version__ = "0.1.0"
