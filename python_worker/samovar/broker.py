"""One broker of a client, without its socket: its session, the calls that it holds, and what it still has to be told."""

from dataclasses import dataclass, field
from typing import Any

from samovar import wire
from samovar.choice import PING_S, Health
from samovar.outgoing import Call, request_frames

OWN = 0  # the id of a client's own requests: nobody waits for their replies

_pack = wire.new_packer().pack
_NO_ARGUMENTS = _pack("samovar.ping") + b"\x90\xc0\xc0"


@dataclass
class Message:
    """To be sent to a broker, and what it takes with it."""

    broker: "Broker"
    frames: list[Any]
    calls: list[Call] = field(default_factory=list)
    cancels: int = 0
    windows: int = 0


class Broker:
    """Its owner keeps `full`: the socket takes no message now; and `retiring`: it gets no more calls, and goes when the last
    has ended."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.health = Health()
        self.sent: dict[int, Call] = {}
        self.cancels: list[int] = []
        self.windows: list[int] = []
        self.ping_due = False
        self.drained_due = False  # to be said: nothing more will come
        self.epoch = 0  # 0: there is no session
        self.max_body = 0
        self.same_clock = False
        self.draining = False
        self.refused: tuple[str, str] | None = None  # code and why: this connection is of no use
        self.full = False
        self.retiring = False

    def begin(self, epoch: int, max_body: int, same_clock: bool) -> None:
        self.epoch, self.max_body, self.same_clock = epoch, max_body, same_clock
        self.draining = False
        self.refused = None

    def end(self) -> None:
        """The session is over."""
        self.epoch = 0
        self.draining = False
        self.refused = None
        self.forget()

    def forget(self) -> None:
        """What is to be said to it no longer matters."""
        self.cancels.clear()
        self.windows.clear()
        self.ping_due = self.drained_due = False

    @property
    def load(self) -> int:
        return len(self.sent)

    def takes_calls(self) -> bool:
        return bool(self.epoch) and not (self.draining or self.full or self.retiring)

    def is_suspect(self) -> bool:
        """It has failed, and is asked now and then whether it is well again."""
        return not self.health.trusted and bool(self.epoch) and not (self.draining or self.retiring)

    def is_over(self) -> bool:
        """It can go: nothing is there any more, and nothing is to be said."""
        return self.retiring and not self.sent and not (self.epoch and self.cancels)

    def hopeless(self) -> tuple[str, str] | None:
        """Why nothing can be hoped of it, if so; `unavailable`: it goes away."""
        if self.draining:
            return "unavailable", f"the broker at {self.endpoint} is going away"
        return self.refused

    def next_control(self) -> Message | None:
        """What is to be said beside calls, if anything."""
        if not self.epoch or self.full:
            return None
        if self.ping_due:
            head = (OWN, 1, 0, int(PING_S * 1e6))
            return Message(self, request_frames(self.epoch, 0, [(head, _NO_ARGUMENTS)]))
        if self.drained_due:
            return Message(self, [wire.encode_control(wire.DRAINED, self.epoch, {})])
        if self.cancels:
            ids = self.cancels[: wire.MAX_BUNDLE]
            frame = _pack([wire.VERSION, wire.CANCEL, self.epoch, *ids])
            return Message(self, [frame], cancels=len(ids))
        if self.windows:
            pairs = self.windows[: 2 * wire.MAX_BUNDLE]
            frame = _pack([wire.VERSION, wire.WINDOW, self.epoch, *pairs])
            return Message(self, [frame], windows=len(pairs))
        return None

    def said(self, message: Message) -> None:
        """Of next_control(): the socket has taken it."""
        if message.cancels or message.windows:
            del self.cancels[: message.cancels]
            del self.windows[: message.windows]
        elif self.ping_due:
            self.ping_due = False
        else:
            self.drained_due = False
