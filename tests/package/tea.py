"""A service whose stub is made while the package's test is built."""

import enum

from samovar import Service

service = Service("tea")


class Kind(enum.Enum):
    green = "green"
    oolong = "oolong"


@service.method
def brew(kind: Kind, minutes: float = 2.0) -> str:
    return f"{kind.value} after {minutes} minutes"
