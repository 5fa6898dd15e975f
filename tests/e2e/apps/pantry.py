"""A second service, for configurations with several."""

import os

import samovar

service = samovar.Service("pantry")


@service.method
def jars() -> int:
    return 12


@service.method
def pid() -> int:
    return os.getpid()
