"""What a supervisor knows of its pool as a whole, and says to the broker. PROTOCOL.md 5.8. No I/O."""

from collections.abc import Sequence
from typing import Any

from samovar import wire
from samovar.slot import Slot, State


class Pool:
    """The service's state, computed from its slots."""

    def __init__(self, slots: Sequence[Slot], service: str | None) -> None:
        """`service`: its name if that is known before a worker has loaded the app."""
        self.slots = slots
        self.service = service
        self.ever_loaded = False
        self.stopping = False
        self.restarts = 0
        self._load_failure: str | None = None  # of the last start, while none has loaded since

    def loaded(self, service: str) -> None:
        self.service = service
        self.ever_loaded = True
        self._load_failure = None

    def load_failed(self, why: str) -> None:
        self._load_failure = why

    def ready_workers(self) -> int:
        return sum(slot.state is State.READY for slot in self.slots)

    def alive_workers(self) -> int:
        return sum(slot.handle is not None for slot in self.slots)

    def describe(self) -> dict[str, Any] | None:
        """The map of a POOL message; None while the service's name is unknown."""
        if self.service is None:
            return None
        reason = None
        gave_up = self._load_failure is not None and not self.ever_loaded
        if self.stopping and not gave_up:
            state = "stopping"
        elif self.ready_workers():
            state = "serving"
        elif self._load_failure is not None:
            state, reason = "failed", self._load_failure
        else:
            state = "loading"
        return {
            "service": self.service,
            "state": state,
            "wanted": len(self.slots),
            "alive": self.alive_workers(),
            "restarts": self.restarts,
            "reason": reason,
        }


def encode_pool(epoch: int, description: dict[str, Any]) -> bytes:
    return wire.encode_control(wire.POOL, epoch, description)
