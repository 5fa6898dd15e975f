"""Which workers there are, which there should be, and what is to be done about it. PROTOCOL.md 5.8. No I/O."""

from dataclasses import dataclass, field
from typing import Any

from samovar import wire
from samovar.slot import Slot, State


@dataclass
class Steps:
    """What brings a pool nearer to what it should be."""

    start: int = 0  # so many workers
    start_parked: int = 0  # and so many spares
    activate: list[Slot] = field(default_factory=list)  # spares that shall serve
    drain: list[Slot] = field(default_factory=list)  # workers that shall stop


class Pool:
    """The workers of one service. `slots` has those alive, by their number."""

    def __init__(self, service: str | None, workers: int, spares: int) -> None:
        """`service`: its name if that is known before anything has loaded the app."""
        self.slots: dict[int, Slot] = {}
        self.service = service
        self.wanted = workers
        self.spares = spares
        self.generation = 1  # that new workers are of
        self.ever_loaded = False
        self.stopping = False
        self.restarts = 0
        self.load_failure: str | None = None  # of the last start, while none has loaded since

    def loaded(self, service: str) -> None:
        self.service = service
        self.ever_loaded = True
        self.load_failure = None

    def next_steps(self) -> Steps:
        """One step at a time where something is replaced: the new worker is ready before the old one drains."""
        steps = Steps()
        serving = [slot for slot in self.slots.values() if slot.serves]
        spares = [
            slot for slot in self.slots.values() if slot.spare and slot.state is not State.DRAINING
        ]
        usable = [slot for slot in spares if not self._leaving(slot)]
        usable.sort(key=lambda slot: slot.state is not State.PARKED)
        steps.drain += [slot for slot in spares if self._leaving(slot)]
        leaving = [slot for slot in serving if self._leaving(slot)]
        # One more than wanted while somebody is to be replaced.
        missing = self.wanted + bool(leaving) - len(serving)
        steps.activate = usable[: max(0, missing)]
        steps.start = max(0, missing - len(steps.activate))
        left = len(usable) - len(steps.activate)
        starting = sum(slot.state is State.STARTING for slot in serving)
        # Spares after the workers that serve: a pool begins with these.
        if steps.start == 0 and starting == 0:
            steps.start_parked = max(0, self.spares - left)
        steps.drain += usable[len(steps.activate) + self.spares :]
        surplus = self.ready_workers() - self.wanted
        if surplus > 0:
            order = sorted(
                (slot for slot in serving if slot.state is State.READY),
                key=lambda slot: (self._leaving(slot), slot.number),
            )
            steps.drain += order[-surplus:]
        return steps

    def _leaving(self, slot: Slot) -> bool:
        return slot.replace_because is not None or slot.generation != self.generation

    def ready_workers(self) -> int:
        return sum(slot.state is State.READY for slot in self.slots.values())

    def of_old_generations(self) -> list[Slot]:
        """Those that still serve, or wait as spares, with earlier code and data."""
        return [
            slot
            for slot in self.slots.values()
            if slot.generation != self.generation and slot.state is not State.DRAINING
        ]

    def describe(self) -> dict[str, Any] | None:
        """The map of a POOL message without details; None while the service's name is unknown."""
        if self.service is None:
            return None
        reason = None
        gave_up = self.load_failure is not None and not self.ever_loaded
        if self.stopping and not gave_up:
            state = "stopping"
        elif self.ready_workers():
            state = "serving"
        elif self.load_failure is not None:
            state, reason = "failed", self.load_failure
        else:
            state = "loading"
        return {
            "service": self.service,
            "state": state,
            "wanted": self.wanted,
            "alive": sum(not slot.spare for slot in self.slots.values()),
            "restarts": self.restarts,
            "reason": reason,
        }


def describe_worker(slot: Slot, name: str) -> dict[str, Any]:
    """A worker in a POOL's detail."""
    return {
        "name": name,
        "pid": slot.pid,
        "state": slot.state.value,
        "generation": slot.generation,
        **slot.memory,
    }


def encode_pool(epoch: int, description: dict[str, Any]) -> bytes:
    return wire.encode_control(wire.POOL, epoch, description)
