"""What the chaos test calls. Each execution is noted, with one write(), before it is answered (ledger.py)."""

import os

import samovar

service = samovar.Service("chaos")
_ledger = -1


@service.on_worker_start
def open_ledger() -> None:
    global _ledger
    path = f"{os.environ['CHAOS_LEDGERS']}/worker-{os.getpid()}"
    _ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@service.method
def once(number: int, padding: str) -> int:
    os.write(_ledger, b"once %d\n" % number)
    return number


@service.method(idempotent=True)
def again(number: int, padding: str) -> int:
    os.write(_ledger, b"again %d\n" % number)
    return number
