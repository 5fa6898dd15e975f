"""What a slow item that nobody could foresee does to its bundle, and to the calls of others."""

import statistics
import time
from pathlib import Path
from typing import Any

import zmq
from e2e.raw import REQUEST, Client, now_us

from bench import setups
from bench.stage import Stage

BUNDLE = 32
SLOW = BUNDLE // 2
SLOW_MS = 50
WORK_US = 20  # of each other item: ten of them are worth a flush
REPEATS = 5


def slow_item(directory: Path) -> dict[str, Any]:
    """One worker, one bundle, whose item in the middle sleeps for 50 ms.

    `first_ms`: from the sending of the bundle to the reply of its first item. `held`: how many of the 16 items that
    ran before the slow one got their replies only after it: those of less than a flush (200 us) before it.
    Medians of a few.
    """
    stage = Stage(directory)
    context = zmq.Context()
    try:
        client = Client(context, setups.samovar(1)(stage).endpoint)
        runs = []
        for _ in range(REPEATS):
            client.finish_all(
                client.begin_many("bench.uneven", 20_000, WORK_US)
            )  # teaches its run time
            runs.append(_once(client))
        client.close()
        return {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    finally:
        context.destroy(linger=0)
        stage.stop()


def _once(client: Client) -> dict[str, float]:
    ids = range(1_000_000, 1_000_000 + BUNDLE)
    items: list[Any] = []
    for id_ in ids:
        us = SLOW_MS * 1000 if id_ == ids[SLOW] else WORK_US
        items += (id_, 1, 0, 10_000_000, "bench.uneven", [us], None, None)
    client.outcomes.clear()
    client.outstanding.update(ids)
    began = time.perf_counter()
    client.send(REQUEST, now_us(), *items)
    arrived: dict[int, float] = {}
    while client.outstanding:
        client.pump(10)
        now = (time.perf_counter() - began) * 1000
        for id_ in client.outcomes.keys() - arrived.keys():
            arrived[id_] = now
    first, slow = arrived[ids[0]], arrived[ids[SLOW]]
    return {"first_ms": first, "held": sum(slow - arrived[id_] < slow / 2 for id_ in ids[:SLOW])}
