"""An app that imports well, and whose data are missing."""

from samovar import Service

service = Service("no_data")


@service.load
def load() -> str:
    with open("/nowhere/data") as file:
        return file.read()


@service.method
def get() -> str:
    return service.state
