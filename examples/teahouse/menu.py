"""A service that loads data once, checks it, and opens something of its own in each worker (docs/pool.md)."""

import sqlite3
from pathlib import Path

from samovar import Service

service = Service("menu")
MENU = Path(__file__).with_name("menu.txt")
notes: sqlite3.Connection


@service.load
def load() -> dict[str, float]:
    """Once, before any worker: all workers share what it returns."""
    lines = MENU.read_text().splitlines()
    return {name: float(price) for name, price in (line.rsplit(" ", 1) for line in lines)}


@service.warm_up
def warm_up() -> None:
    """Once, after load. Raise here what must not go live."""
    assert price("green tea") > 0


@service.on_worker_start
def on_worker_start() -> None:
    """In each worker: connections, threads, whatever a fork would break."""
    global notes
    notes = sqlite3.connect(":memory:")
    notes.execute("CREATE TABLE asked (name TEXT)")


@service.health_check
def health_check() -> bool:
    """Every ten seconds in a worker that has nothing else to do."""
    return notes.execute("SELECT 1").fetchone() == (1,)


@service.on_stop
def on_stop() -> None:
    """In each worker, when it has answered its last call."""
    notes.close()


@service.method(idempotent=True)
def price(name: str) -> float:
    return service.state[name]  # type: ignore[no-any-return]


@service.method
def asked(name: str) -> int:
    """How often this worker has been asked for a tea by this method."""
    notes.execute("INSERT INTO asked VALUES (?)", (name,))
    return int(notes.execute("SELECT count(*) FROM asked WHERE name = ?", (name,)).fetchone()[0])
