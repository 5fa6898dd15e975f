"""samovar-worker with a stand-in for the host's resolver: the file $NAMES has the endpoints of every name, one a line."""

import os
import sys
from pathlib import Path

from samovar import cli, endpoints


def look_up(name: str, port: int) -> list[str]:
    found = Path(os.environ["NAMES"]).read_text().split()
    if not found:
        raise OSError(None, f"{name} is unknown")
    return found


if __name__ == "__main__":
    endpoints.LOOK_EVERY_S = 0.02
    endpoints.look_up = look_up
    sys.exit(cli.main())
