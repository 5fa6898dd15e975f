"""Rows in an lmdb file, which all workers map. Each opens it for itself: its environment must not be forked."""

import os
from typing import Any

import lmdb
import msgpack

from samovar import Service

service = Service("stored")
rows: "lmdb.Environment"


@service.on_worker_start
def open_rows() -> None:
    global rows
    rows = lmdb.open(os.environ["RECORDS"], readonly=True, lock=False)


@service.method(idempotent=True)
def get(key: str) -> Any:
    """The row of a key; None if there is none."""
    with rows.begin() as read:
        found = read.get(key.encode())
    return None if found is None else msgpack.unpackb(found)
