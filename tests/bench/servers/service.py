"""The same work as a service of Samovar."""

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
