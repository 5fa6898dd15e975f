"""Methods that go wrong the first times. How often a call has been run is told by files beside `place`, which outlive workers."""

import asyncio
import os
import signal

import samovar
from e2e_notes import note

service = samovar.Service("moody")


def run(place: str) -> int:
    """Which run this is, from 1."""
    number = 1
    while True:
        try:
            os.mkdir(f"{place}.{number}")
            return number
        except FileExistsError:
            number += 1


@service.method
def echo(value: str) -> str:
    return value


@service.method
def die_first(place: str, times: int) -> int:
    number = run(place)
    if number <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@service.method
async def stall_first(place: str) -> int:
    """The first run ends when it is told to stop only."""
    number = run(place)
    if number == 1:
        try:
            await asyncio.Event().wait()
        finally:
            note("stopped")
    return number
