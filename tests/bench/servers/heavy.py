"""Tables of some 440 MB as services, and look-ups in all of their workers at once."""

import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from examples.memory.layouts import Compact, Objects  # noqa: E402

from samovar import Service  # noqa: E402

ROWS = 2_000_000
HOT = 1_000
WIDTH = 200  # as many bytes as the objects


def _service(name: str) -> Service:
    service = Service(name)

    def meet(folder: str, workers: int) -> None:
        """Returns when so many workers have come here, so that each of them has one call."""
        (Path(folder) / str(os.getpid())).touch()
        end = time.monotonic() + 20
        while len(os.listdir(folder)) < workers:
            if time.monotonic() > end:
                raise TimeoutError("the other workers did not come")
            time.sleep(0.002)

    @service.method
    def hot(folder: str, workers: int) -> int:
        """The same 1,000 keys again and again."""
        meet(folder, workers)
        keys = random.Random(1).sample(range(ROWS), HOT)
        for key in keys * 100:
            service.state.get(key)
        return os.getpid()

    @service.method
    def uniform(folder: str, workers: int, count: int) -> int:
        """`count` keys at random."""
        meet(folder, workers)
        rng = random.Random(os.getpid())
        for _ in range(count):
            service.state.get(rng.randrange(ROWS))
        return os.getpid()

    return service


objects = _service("objects")
objects.load(lambda: Objects(ROWS))
compact = _service("compact")
compact.load(lambda: Compact(ROWS, WIDTH))
