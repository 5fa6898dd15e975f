"""What a broker sends, in the order in which it came; CANCEL may be heard before its turn."""

import logging
from collections import deque

from samovar import wire
from samovar.attached import Frame
from samovar.link import Link
from samovar.scheduler import Scheduler
from samovar.wire import Message, WireError

log = logging.getLogger("samovar")

Received = tuple[bytes, list[Frame]]


class Inbox:
    """For a worker with a scheduler. Used in its loop's thread only."""

    def __init__(self, link: Link, scheduler: Scheduler) -> None:
        self._link = link
        self._connection = link.connection
        self._scheduler = scheduler
        self._heard: deque[Received] = deque()  # by listen(), and not yet received

    def __bool__(self) -> bool:
        """Whether something is here that the socket would not tell of."""
        return bool(self._heard)

    def receive(self) -> Received | None:
        """The next message; None when there is none."""
        if self._heard:
            return self._heard.popleft()
        if self._link.unwanted:
            self._link.unwanted.clear()
        return self._connection.receive()

    def listen(self) -> None:
        """Obeys each CANCEL that has come, while a handler runs; all else waits until it is received."""
        while (received := self._connection.receive()) is not None:
            self._heard.append(received)
            try:
                message = wire.unpack(received[0])
                if message[1] == wire.CANCEL:
                    self.tell_scheduler(message)
                    self._link.unwanted.update(message[3:])  # they may wait here
            except Exception:  # it is looked at closely when it is received
                continue

    def tell_scheduler(self, message: Message) -> None:
        """CANCEL and WINDOW, PROTOCOL.md 4.4 and 4.6."""
        head = message[:3]
        if head[0] != wire.VERSION or head[2] != self._connection.epoch or not head[2]:
            return  # of an earlier session
        try:
            if message[1] == wire.CANCEL:
                self._scheduler.cancel(self._link, wire.decode_ids(message))
            else:
                for id_, window in wire.decode_windows(message):
                    self._scheduler.widen(self._link, id_, window)
        except WireError as error:
            log.error("dropped a message of the broker: %s", error)
