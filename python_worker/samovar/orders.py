"""What a supervisor tells its workers, by their command pipes: one line each.

    go                          a spare is to serve
    brokers [[1, "tcp://..."]]  the brokers that it is to serve from now on, each with the supervisor's number for it
"""

import json
import os

# Each with its number, which it keeps as long as it is in the list, and which no other one gets.
Brokers = list[tuple[int, str]]

GO = b"go\n"


def say_brokers(brokers: Brokers) -> bytes:
    return b"brokers " + json.dumps(brokers).encode() + b"\n"


class Orders:
    """The worker's end of the pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.open = True  # False: nothing more can come
        self.go = False
        self._brokers: Brokers | None = None
        self._rest = b""

    def read(self) -> None:
        """What is there, from one read; waits for it."""
        data = os.read(self.fd, 65536)
        self.open = data != b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"go":
                self.go = True
            elif word == b"brokers":
                self._brokers = [(number, endpoint) for number, endpoint in json.loads(rest)]

    def take_brokers(self) -> Brokers | None:
        """The last list, once."""
        brokers, self._brokers = self._brokers, None
        return brokers

    def wait_for_brokers(self) -> Brokers | None:
        """The first list; None: there will be none."""
        while (brokers := self.take_brokers()) is None and self.open:
            self.read()
        return brokers

    def wait_for_go(self) -> bool:
        """False: it will not come."""
        while not self.go and self.open:
            self.read()
        return self.go
