"""What the pages read streams from."""

from collections.abc import Iterator

from samovar import Service

service = Service("logs")


@service.method
def tail(source: str) -> Iterator[str]:
    """Lines of a log."""
    for number in range(3):
        yield f"{source}: line {number}"
    yield f"{source}: an error"
